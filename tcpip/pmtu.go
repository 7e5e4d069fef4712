package tcpip

// PMTUMode is the value of IP_MTU_DISCOVER and IPV6_MTU_DISCOVER: how an endpoint treats the path
// MTU. The numbers are Linux's.
type PMTUMode uint8

// The modes.
const (
	PMTUDont      PMTUMode = iota // never set DF; fragment to the path MTU
	PMTUWant                      // set DF and learn, fragment what is larger than the path MTU
	PMTUDo                        // set DF always; larger than the path MTU is ErrMessageSize
	PMTUProbe                     // set DF, ignore the learnt MTU
	PMTUInterface                 // never set DF, ignore the learnt MTU; larger than the link is ErrMessageSize
	PMTUOmit                      // as PMTUInterface, but fragment what is larger than the link
)

// TimestampMode says how an endpoint or a stack uses TCP timestamps (RFC 7323). The first three are
// the values of net.ipv4.tcp_timestamps.
type TimestampMode uint8

// The modes.
const (
	TimestampsOff      TimestampMode = iota
	TimestampsOn                     // with a random offset per pair of addresses
	TimestampsNoOffset               // the clock as it is
	TimestampsStrict                 // as On, and segments that lack a negotiated timestamp are dropped (RFC 7323 §3.2)
)
