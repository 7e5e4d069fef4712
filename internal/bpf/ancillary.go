package bpf

// The ancillary loads (SKF_AD_*), which are absolute loads of any size at these offsets from ancillary.
const (
	adProtocol   = 0
	adType       = 4
	adNIC        = 8
	adNlattr     = 12 // refused
	adNlattrNest = 16 // refused
	adMark       = 20
	adQueue      = 24
	adHardware   = 28
	adHash       = 32
	adCPU        = 36
	adXorX       = 40
	adVLAN       = 44
	adHasVLAN    = 48
	adPayload    = 52
	adRandom     = 56
	adVLANProto  = 60
	adMax        = 64
)

// known reports whether an offset at or above ancillary is a load that exists.
func known(k uint32) bool {
	k -= ancillary
	return k < adMax && k%4 == 0 && k != adNlattr && k != adNlattrNest
}

// info makes an ancillary load. Everything runs on one CPU, number 0, as far as programs can tell.
func (v *View) info(k, a, x uint32) uint32 {
	switch k - ancillary {
	case adProtocol:
		return uint32(v.Protocol)
	case adType:
		return uint32(v.Type)
	case adNIC:
		return v.NIC
	case adMark:
		return v.Mark
	case adQueue:
		return uint32(v.Queue)
	case adHardware:
		return uint32(v.Hardware)
	case adHash:
		return v.Hash
	case adXorX:
		return a ^ x
	case adVLAN:
		return uint32(v.VLAN)
	case adHasVLAN:
		if v.HasVLAN {
			return 1
		}
	case adPayload:
		return v.payload()
	case adRandom:
		return v.Random
	case adVLANProto:
		return uint32(v.VLANProto)
	}
	return 0
}

// Of network and transport headers only what payload needs.
const (
	typeIPv4, typeIPv6 = 0x0800, 0x86dd

	protoHop, protoICMP, protoIGMP, protoTCP, protoUDP = 0, 1, 2, 6, 17
	protoRouting, protoFragment, protoICMP6, protoDest = 43, 44, 58, 60
	protoDCCP, protoSCTP, protoUDPLite                 = 33, 132, 136

	extensions = 8 // how many extension headers are skipped at most
)

// transportSizes are the least sizes of the headers that payload skips, bytes.
var transportSizes = [256]uint8{
	protoICMP: 8, protoIGMP: 8, protoTCP: 20, protoUDP: 8, protoICMP6: 8, protoDCCP: 12, protoSCTP: 12, protoUDPLite: 8,
}

// payload returns the offset of what lies behind the transport header, 0 if that is not to be found. Of a later
// fragment it is that of what the network header carries.
func (v *View) payload() uint32 {
	at, proto, later, ok := v.transport()
	if !ok {
		return 0
	}
	start := at
	if !later {
		at += int(transportSizes[proto])
		if proto == protoTCP {
			b, ok := v.load(start+12, 1)
			if !ok {
				return 0
			}
			at = start + max(20, int(b>>4)*4)
		}
	}
	return uint32(at - v.Start)
}

// transport finds the transport header: its position and protocol, and whether it is the rest of a fragmented
// packet instead.
func (v *View) transport() (at int, proto uint8, later, ok bool) {
	at = v.Network
	switch v.Protocol {
	case typeIPv4:
		first, ok1 := v.load(at, 1)
		fragment, ok2 := v.load(at+6, 2)
		p, ok3 := v.load(at+9, 1)
		_, ok4 := v.load(at+16, 4)
		if !(ok1 && ok2 && ok3 && ok4) || first&15 < 5 {
			return 0, 0, false, false
		}
		return at + int(first&15)*4, uint8(p), fragment&0x1fff != 0, true
	case typeIPv6:
		p, ok1 := v.load(at+6, 1)
		_, ok2 := v.load(at+36, 4)
		if !(ok1 && ok2) {
			return 0, 0, false, false
		}
		return v.skip(at+40, uint8(p))
	}
	return 0, 0, false, false
}

// skip goes over extension headers of IPv6.
func (v *View) skip(at int, proto uint8) (int, uint8, bool, bool) {
	for range extensions {
		switch proto {
		case protoHop, protoRouting, protoDest:
			h, ok := v.load(at, 2)
			if !ok {
				return 0, 0, false, false
			}
			at, proto = at+int(h&0xff+1)*8, uint8(h>>8)
		case protoFragment:
			h, ok := v.load(at, 4)
			if !ok {
				return 0, 0, false, false
			}
			at, proto = at+8, uint8(h>>24)
			if h&0xfff8 != 0 {
				return at, proto, true, true
			}
		default:
			return at, proto, false, true
		}
	}
	return 0, 0, false, false
}
