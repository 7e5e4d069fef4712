package main

import (
	"bytes"
	"io"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

const patternSize = 3*blockSize + 777

func TestPatternVerifiesItself(t *testing.T) {
	whole, err := io.ReadAll(newPattern(patternSize))
	require.NoError(t, err)
	require.Len(t, whole, patternSize)
	require.NoError(t, iotest.TestReader(newPattern(patternSize), whole))
	for _, step := range []int{1, 3, 7, 8, 9, 1000, blockSize - 1, blockSize, blockSize + 1, patternSize} {
		p := newPattern(patternSize)
		for b := range bytes.NewBuffer(whole).Len() / step {
			_, err := p.Write(whole[b*step : (b+1)*step])
			require.NoError(t, err, "in steps of %d", step)
		}
		require.Equal(t, p.off == p.end, p.complete() == nil)
	}
}

// Every byte counts, and its place does.
func TestPatternNotices(t *testing.T) {
	whole, err := io.ReadAll(newPattern(patternSize))
	require.NoError(t, err)
	for _, at := range []int{0, 7, 8, 100, blockSize - 1, blockSize, blockSize + 7, 2*blockSize + 8, patternSize - 1} {
		bad := bytes.Clone(whole)
		bad[at] ^= 1
		_, err := newPattern(patternSize).Write(bad)
		require.Error(t, err, "byte %d", at)
	}
	_, err = newPattern(patternSize).Write(whole[blockSize:])
	require.Error(t, err, "a block too few at the front")
	swapped := append(bytes.Clone(whole[blockSize:2*blockSize]), whole[:blockSize]...)
	_, err = newPattern(patternSize).Write(swapped)
	require.Error(t, err, "blocks in the wrong order")
	_, err = newPattern(patternSize).Write(append(bytes.Clone(whole), 'x'))
	require.Error(t, err, "a byte too many")
	short := newPattern(patternSize)
	_, err = short.Write(whole[:patternSize-1])
	require.NoError(t, err)
	require.Error(t, short.complete(), "a byte too few")
}

func TestByteSize(t *testing.T) {
	for text, want := range map[string]int64{"0": 0, "12": 12, "7B": 7, "1KiB": 1024, "16MiB": 16 << 20, "1GiB": 1 << 30} {
		var s byteSize
		require.NoError(t, s.Set(text), text)
		require.Equal(t, want, int64(s))
		var again byteSize
		require.NoError(t, again.Set(string(bytes.ReplaceAll([]byte(s.String()), []byte(" "), nil))))
		require.Equal(t, s, again)
	}
	for _, text := range []string{"", "x", "-1", "1TiB", "9999999999GiB", "1.5MiB"} {
		var s byteSize
		require.Error(t, s.Set(text), text)
	}
}
