package oracle

import (
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

func (k *kernel) Sysctl(name string, value int) {
	k.do(func() {
		if err := os.WriteFile("/proc/sys/net/"+name, []byte(strconv.Itoa(value)), 0); err != nil {
			k.fail(fmt.Errorf("%s: %w", name, err))
		}
	})
}

// Pass waits longer when it is asked again, as Settle does.
func (k *kernel) Pass(milliseconds int) {
	k.sleep(time.Duration(milliseconds)*time.Millisecond + 20*k.pause)
}

func (k *kernel) Up(name string, up bool) {
	k.do(func() {
		err := control(unix.AF_INET, func(fd int) error {
			ifr, err := unix.NewIfreq(name)
			if err != nil {
				return err
			}
			if err := unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, ifr); err != nil {
				return err
			}
			flags := ifr.Uint16() &^ unix.IFF_UP
			if up {
				flags |= unix.IFF_UP
			}
			ifr.SetUint16(flags)
			return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, ifr)
		})
		if err != nil {
			k.fail(fmt.Errorf("%s: %w", name, err))
		}
	})
}

func (k *kernel) Wait(milliseconds int) { k.sleep(time.Duration(milliseconds) * time.Millisecond) }
