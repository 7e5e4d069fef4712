package main

import (
	"bufio"
	"errors"
	"os"

	"github.com/seed963a8790/netstack/link/sniffer"
	"github.com/seed963a8790/netstack/stack"
)

// captureLength is how much of each packet a capture keeps, in bytes: all headers and the beginning of
// the data, which is known anyway. The capture of a gigabyte then stays small.
const captureLength = 2048

// capture is the file of -pcap. A nil capture records nothing.
type capture struct {
	file   *os.File
	buffer *bufio.Writer
	link   *sniffer.Sniffer
}

func openCapture(name string) (*capture, error) {
	if name == "" {
		return nil, nil
	}
	f, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	return &capture{file: f, buffer: bufio.NewWriterSize(f, 1<<20)}, nil
}

// around returns a link that records what passes l.
func (c *capture) around(l stack.Link, name string) stack.Link {
	if c == nil {
		return l
	}
	c.link = sniffer.New(l, c.buffer, sniffer.Options{Name: name, SnapLen: captureLength})
	return c.link
}

// close ends the file. The stack above has to be closed and waited for.
func (c *capture) close() error {
	if c == nil {
		return nil
	}
	var err error
	if c.link != nil {
		err = c.link.Err()
	}
	return errors.Join(err, c.buffer.Flush(), c.file.Close())
}
