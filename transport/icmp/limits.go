package icmp

// echoesMax bounds the echo requests that wait for a program's answer, entries: a second of ping's every few milliseconds, or
// some hundred hosts that look whether somebody is there.
const echoesMax = 256
