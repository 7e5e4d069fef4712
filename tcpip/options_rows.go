package tcpip

func flag(id OptionID, name string, byDefault int, on EndpointKinds, field func(*SocketConf) *bool, doc string) OptionRow[SocketConf] {
	return OptionRow[SocketConf]{ID: id, Name: name, Unit: "bool", Max: 1, Default: byDefault, On: on, Doc: doc,
		Get: func(c *SocketConf) int {
			if *field(c) {
				return 1
			}
			return 0
		},
		Set: func(c *SocketConf, v int) { *field(c) = v != 0 },
	}
}

func ttl(id OptionID, name string, byDefault int, on EndpointKinds, field func(*SocketConf) *int16, doc string) OptionRow[SocketConf] {
	return OptionRow[SocketConf]{ID: id, Name: name, Unit: "hops", Min: -1, Max: 255, Default: byDefault, On: on, Doc: doc,
		Get: func(c *SocketConf) int { return int(*field(c)) },
		Set: func(c *SocketConf, v int) {
			if v == -1 {
				v = byDefault
			}
			*field(c) = int16(v)
		},
	}
}

func mode(id OptionID, name string, field func(*SocketConf) *PMTUMode) OptionRow[SocketConf] {
	return OptionRow[SocketConf]{ID: id, Name: name, Min: int(PMTUDont), Max: int(PMTUOmit), Default: int(PMTUWant), On: KindIP,
		Doc: "How path MTUs are used and learnt: a PMTUMode.",
		Get: func(c *SocketConf) int { return int(*field(c)) },
		Set: func(c *SocketConf, v int) { *field(c) = PMTUMode(v) },
	}
}
