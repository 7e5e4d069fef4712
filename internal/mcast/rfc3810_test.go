package mcast

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// RFC 3810 §6: not the all-nodes group, nor what does not leave the node; solicited-node groups are.
func TestRFC3810NotReported(t *testing.T) {
	x := mld(t)
	for _, g := range []string{"ff02::1", "ff01::9", "ff11::9", "ff00::9", "fd00::1", "239.1.1.1"} {
		x.join(g)
	}
	x.want()
	x.join("ff02::1:ff00:1")
	x.want("TO_EX ff02::1:ff00:1")
	x.join("ff02::fb") // the other is told once more with it
	x.want("TO_EX ff02::1:ff00:1, TO_EX ff02::fb")
}

// RFC 3810 §6.1, §6.2: as IGMPv3.
func TestRFC3810(t *testing.T) {
	x := mld(t)
	x.set("ff05::1", including("2001:db8::1 2001:db8::2"))
	x.want("ALLOW ff05::1 2001:db8::1 2001:db8::2")
	x.sleep(time.Minute)
	x.said = nil
	x.query(2, second, "ff05::1", "2001:db8::2 2001:db8::3")
	x.sleep(second)
	x.want("IS_IN ff05::1 2001:db8::2")
	x.query(2, second, "", "")
	x.sleep(second)
	x.want("IS_IN ff05::1 2001:db8::1 2001:db8::2")
	x.set("ff05::1", excluding("2001:db8::1"))
	x.want("TO_EX ff05::1 2001:db8::1")
	x.leave("ff05::1")
	x.want("TO_IN ff05::1")
}

// RFC 3810 §8.2.1: with an MLDv1 router the host speaks MLDv1 (RFC 2710 §4), done and suppression included.
func TestRFC3810OlderQuerier(t *testing.T) {
	x := mld(t)
	x.query(1, 10*second, "", "")
	require.Equal(t, V2, x.m.Version(x.now))
	x.join("ff05::1")
	x.want("report ff05::1")
	x.sleep(time.Minute)
	x.want("report ff05::1")
	x.leave("ff05::1")
	x.want("leave ff05::1")
	x.join("ff05::1")
	x.m.Heard(x.now, addr("ff05::1"))
	x.said = nil
	x.leave("ff05::1")
	x.sleep(time.Minute)
	x.want()
	x.sleep(5 * time.Minute)
	require.Equal(t, V3, x.m.Version(x.now))
	x.join("ff05::1")
	x.want("TO_EX ff05::1")
	x.m.Heard(x.now, addr("ff05::1")) // does not count in version 2
	x.sleep(time.Minute)
	x.want("TO_EX ff05::1")
}
