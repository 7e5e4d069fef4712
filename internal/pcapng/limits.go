package pcapng

const (
	// maxOption bounds the text of an option in bytes: its length field has 16 bits.
	maxOption = 65535
	// maxInterfaces bounds the interfaces of a section that Reader keeps.
	maxInterfaces = 65536
)
