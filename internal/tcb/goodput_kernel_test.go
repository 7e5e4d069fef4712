package tcb

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// kernelCell is a line of testdata/goodput/kernel.tsv, which internal/interop's TestKernelGoodput has measured.
type kernelCell struct {
	rate   int
	rtt    time.Duration
	loss   float64
	length time.Duration
	share  []float64 // by seed
}

func kernelCells(t *testing.T) (cells []kernelCell) {
	text, err := os.ReadFile(filepath.Join("testdata", "goodput", "kernel.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if line[0] == '#' {
			continue
		}
		var v []float64
		for _, f := range strings.Split(strings.TrimSpace(line), "\t") {
			x, err := strconv.ParseFloat(f, 64)
			if err != nil {
				t.Fatal(err)
			}
			v = append(v, x)
		}
		if len(v) < 6 {
			t.Fatalf("%q has too few fields", line)
		}
		cells = append(cells, kernelCell{int(v[0] * 1e6), time.Duration(v[1] * float64(time.Millisecond)), v[2] / 100, time.Duration(v[3] * float64(time.Second)), v[4:]})
	}
	return cells
}

const kernelFloor = 0.95 // of the kernel's goodput

// Our goodput is not below the kernel's: a cell fails when the 95 % confidence interval of the ratio lies wholly below
// kernelFloor.
func TestGoodputLikeTheKernel(t *testing.T) {
	for _, k := range kernelCells(t) {
		b := bottleneck{rate: k.rate, rtt: k.rtt, loss: k.loss, cc: Cubic, sack: true}
		var ours []float64
		for seed := range uint64(len(k.share)) {
			if seed > 0 && k.loss == 0 { // chance has no part in it
				ours = append(ours, ours[0])
				continue
			}
			ours = append(ours, b.run(seed+1, k.length).share)
		}
		ratio, low, high := ratioInterval(ours, k.share)
		text := fmt.Sprintf("%d Mbit/s %v %g %%: %.4f, the kernel %.4f; ratio %.3f, from %.3f to %.3f", k.rate/1e6, k.rtt, 100*k.loss, ours, k.share, ratio, low, high)
		if t.Log(text); high < kernelFloor {
			t.Error(text)
		}
	}
}

// ratioInterval returns the ratio of the geometric means of a and b, and its 95 % confidence interval (Welch).
func ratioInterval(a, b []float64) (ratio, low, high float64) {
	ma, va := logMoments(a)
	mb, vb := logMoments(b)
	na, nb := float64(len(a)), float64(len(b))
	sum := va/na + vb/nb
	d := ma - mb
	if sum == 0 {
		return math.Exp(d), math.Exp(d), math.Exp(d)
	}
	df := sum * sum / (va*va/(na*na*(na-1)) + vb*vb/(nb*nb*(nb-1)))
	half := studentT[min(max(int(df), 1), len(studentT)-1)] * math.Sqrt(sum)
	return math.Exp(d), math.Exp(d - half), math.Exp(d + half)
}

// studentT is the two-sided 95 % quantile by degrees of freedom.
var studentT = [...]float64{0, 12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228}

// logMoments returns mean and variance of the logarithms.
func logMoments(x []float64) (mean, variance float64) {
	for _, v := range x {
		mean += math.Log(max(v, 1e-6)) / float64(len(x))
	}
	for _, v := range x {
		d := math.Log(max(v, 1e-6)) - mean
		variance += d * d / float64(len(x)-1)
	}
	return mean, variance
}

// Equal samples give a ratio of one, and a
// tenth less with little spread lies below the floor.
func TestRatioInterval(t *testing.T) {
	if r, low, high := ratioInterval([]float64{1, 1.1, 0.9}, []float64{1, 1.1, 0.9}); r != 1 || low >= 1 || high <= 1 {
		t.Error(r, low, high)
	}
	if _, _, high := ratioInterval([]float64{0.90, 0.901, 0.899}, []float64{1, 1.001, 0.999}); high >= kernelFloor {
		t.Error(high)
	}
	if _, _, high := ratioInterval([]float64{0.5, 0.9, 1.3}, []float64{1, 1.5, 0.7}); high < kernelFloor {
		t.Error("wide samples prove nothing:", high)
	}
}
