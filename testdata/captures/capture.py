#!/usr/bin/env python3
"""Record testdata/captures/kernel.pcap: Linux talking to Linux, for the tests of package header.

Run as root, with ip, ethtool and ping at hand. Three namespaces stand in a row, host A, router R, host B.
The wire between A and R is this program: it copies frames between two packet sockets, drops what a
scenario wants dropped, and records what passes. Offloads are off, so that checksums are complete.
"""

import ctypes, os, select, socket, struct, subprocess, sys, threading, time

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "kernel.pcap")
MAX = 420  # packets kept
sh = lambda c, check=True: subprocess.run(c, shell=True, check=check, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def enter(ns):
    fd = os.open("/var/run/netns/" + ns, os.O_RDONLY)
    if ctypes.CDLL(None, use_errno=True).setns(fd, 0x40000000) != 0:
        raise OSError(ctypes.get_errno(), "setns " + ns)
    os.close(fd)


def inside(ns, f):
    """Run f in ns in a child process and return its pid."""
    pid = os.fork()
    if pid == 0:
        try:
            enter(ns)
            f()
        except Exception as e:
            print(ns, getattr(f, "__name__", "?"), e, file=sys.stderr)
        os._exit(0)
    return pid


def run(ns, f):
    os.waitpid(inside(ns, f), 0)


def setup():
    for ns in "capA", "capW", "capR", "capB":
        sh("ip netns del " + ns, check=False)
        sh("ip netns add " + ns)
    sh("ip link add a0 netns capA type veth peer name w0 netns capW")
    sh("ip link add r0 netns capR type veth peer name w1 netns capW")
    sh("ip link add r1 netns capR type veth peer name b0 netns capB")
    for ns, dev in ("capW", "w0"), ("capW", "w1"):
        sh(f"ip netns exec {ns} sysctl -w net.ipv6.conf.{dev}.disable_ipv6=1")
        sh(f"ip -n {ns} link set {dev} up promisc on")
    for ns, dev in ("capA", "a0"), ("capR", "r0"), ("capR", "r1"), ("capB", "b0"):
        sh(f"ip netns exec {ns} ethtool -K {dev} tx off tso off gso off gro off", check=False)
        sh(f"ip netns exec {ns} sysctl -w net.ipv4.tcp_fastopen=3 net.ipv4.tcp_ecn=1 net.ipv4.conf.all.accept_source_route=1 net.ipv4.conf.{dev}.accept_source_route=1 net.ipv6.conf.all.accept_source_route=1 net.ipv6.conf.{dev}.accept_source_route=1")
    sh("ip netns exec capR sysctl -w net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0")
    sh("ip netns exec capR sysctl -w net.ipv4.icmp_msgs_per_sec=100000 net.ipv4.icmp_msgs_burst=100000")


def bring_up():
    for ns, dev, v4, v6 in ("capR", "r0", "10.0.0.254/24", "fd00:1::fe/64"), ("capR", "r1", "10.0.1.254/24", "fd00:2::fe/64"), ("capB", "b0", "10.0.1.1/24", "fd00:2::1/64"), ("capA", "a0", "10.0.0.1/24", "fd00:1::1/64"):
        sh(f"ip -n {ns} link set lo up")
        sh(f"ip -n {ns} link set {dev} up")
        sh(f"ip -n {ns} addr add {v4} dev {dev}")
        sh(f"ip -n {ns} addr add {v6} dev {dev}")
    sh("ip -n capR link set r1 mtu 1300")
    sh("ip -n capB link set b0 mtu 1300")
    for ns, net in ("capA", 0), ("capB", 1):
        sh(f"ip -n {ns} route add default via 10.0.{net}.254")
        sh(f"ip -n {ns} route add default via fd00:{net+1}::fe")
    sh("ip -n capR route add 10.9.0.0/24 via 10.0.0.7")
    sh("ip -n capR route add fd00:9::/64 via fd00:1::7")
    sh("ip -n capR route add prohibit 10.8.0.0/24", check=False)
    sh("ip -n capR route add prohibit fd00:8::/64", check=False)


class Wire(threading.Thread):
    def __init__(self):
        super().__init__(daemon=True)
        self.frames, self.drop, self.count = [], False, 0
        self.ends = []
        for dev in "w0", "w1":
            s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            s.bind((dev, 0))
            self.ends.append(s)

    def run(self):
        while True:
            for s in select.select(self.ends, [], [])[0]:
                try:
                    b, addr = s.recvfrom(65536)
                except OSError:
                    return  # the namespaces are gone
                if addr[2] == 4:  # PACKET_OUTGOING
                    continue
                if self.drop and len(b) > 1000:
                    self.count += 1
                    if self.count % 5 == 3:
                        continue
                self.frames.append((time.time(), b))
                self.ends[1 - self.ends.index(s)].send(b)


def server(family, addr):
    def f():
        for port, proto in (7, socket.SOCK_STREAM), (7, socket.SOCK_DGRAM):
            if proto == socket.SOCK_DGRAM and addr.endswith("#md5"):
                continue
            s = socket.socket(family, proto)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if proto == socket.SOCK_STREAM:
                s.setsockopt(socket.SOL_TCP, 23, 16)  # TCP_FASTOPEN
                md5(s, family, "10.0.0.1" if family == socket.AF_INET else "fd00:1::1") if addr.endswith("#md5") else None
            s.bind((addr.removesuffix("#md5"), 8 if addr.endswith("#md5") else port))
            if proto == socket.SOCK_STREAM:
                s.listen(5)
                threading.Thread(target=accept, args=(s,), daemon=True).start()
            else:
                threading.Thread(target=echo, args=(s,), daemon=True).start()
        time.sleep(60)

    return f


def accept(s):
    while True:
        c, _ = s.accept()
        threading.Thread(target=serve, args=(c,), daemon=True).start()


def serve(c):
    try:
        while b := c.recv(65536):
            c.send(b[:100])
        c.close()
    except OSError:
        pass


def echo(s):
    while True:
        b, a = s.recvfrom(65536)
        s.sendto(b, a)


def md5(s, family, peer):
    if family == socket.AF_INET:
        sa = struct.pack("=HH4s", family, 0, socket.inet_aton(peer)).ljust(128, b"\0")
    else:
        sa = struct.pack("=HHI16sI", family, 0, 0, socket.inet_pton(family, peer), 0).ljust(128, b"\0")
    s.setsockopt(socket.SOL_TCP, 14, sa + struct.pack("=BBHI", 0, 0, 6, 0) + b"secret".ljust(80, b"\0"))


def tcp(family, host, port=7, size=50, prepare=None, reset=False, urgent=False, fastopen=False, wait=0.3):
    def f():
        s = socket.socket(family, socket.SOCK_STREAM)
        s.settimeout(3)
        if prepare:
            prepare(s)
        if fastopen:
            s.sendto(b"fast" * 5, 0x20000000, (host, port))
        else:
            s.connect((host, port))
            s.sendall(b"x" * size)
        if urgent:
            s.send(b"!", socket.MSG_OOB)
        try:
            s.recv(100)
        except OSError:
            pass
        time.sleep(wait)
        if reset:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.close()
        time.sleep(0.1)

    return f


def udp(family, host, port, size, *options):
    def f():
        s = socket.socket(family, socket.SOCK_DGRAM)
        s.settimeout(0.3)
        for o in options:
            s.setsockopt(*o)
        try:
            s.sendto(b"u" * size, (host, port))
            s.recv(65536)
        except OSError as e:
            if not isinstance(e, (TimeoutError, ConnectionRefusedError)):
                print("udp", host, port, size, options, e, file=sys.stderr)

    return f


def raw6(payload, dst, hops=255, src=None):
    def f():
        s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, 58)
        s.setsockopt(41, 16, hops)
        s.setsockopt(41, 18, hops)
        s.setsockopt(41, 17, socket.if_nametoindex("r0"))
        s.sendto(payload, (dst, 0, 0, socket.if_nametoindex("r0")))

    return f


def join(family, source_filters):
    def f():
        s = socket.socket(family, socket.SOCK_DGRAM)
        if family == socket.AF_INET:
            s.setsockopt(0, 35, struct.pack("4s4si", socket.inet_aton("239.1.2.3"), b"\0" * 4, socket.if_nametoindex("a0")))
            if source_filters:
                for n in 1, 2:  # IP_BLOCK_SOURCE, then IP_ADD_SOURCE_MEMBERSHIP of another group
                    s.setsockopt(0, 38, struct.pack("4s4s4s", socket.inet_aton("239.1.2.3"), socket.inet_aton("10.0.0.1"), bytes([10, 5, 5, n])))
                    s.setsockopt(0, 39, struct.pack("4s4s4s", socket.inet_aton("232.1.1.1"), socket.inet_aton("10.0.0.1"), bytes([10, 6, 6, n])))
        else:
            group = socket.inet_pton(family, "ff05::1:2:3")
            index = socket.if_nametoindex("a0")
            s.setsockopt(41, 20, group + struct.pack("i", index))
            if source_filters:
                req = lambda g, src: struct.pack("=II", index, 0) + struct.pack("=HHI16sI", family, 0, 0, socket.inet_pton(family, g), 0).ljust(128, b"\0") + struct.pack("=HHI16sI", family, 0, 0, socket.inet_pton(family, src), 0).ljust(128, b"\0")
                s.setsockopt(41, 43, req("ff05::1:2:3", "fd00:7::1"))  # MCAST_BLOCK_SOURCE
                s.setsockopt(41, 46, req("ff35::9", "fd00:7::2"))  # MCAST_JOIN_SOURCE_GROUP
        time.sleep(1.5)

    return f


def igmp_queries():
    s = socket.socket(socket.AF_INET, socket.SOCK_RAW, 2)
    s.setsockopt(0, 32, struct.pack("4s4si", b"\0" * 4, b"\0" * 4, socket.if_nametoindex("r0")))
    s.setsockopt(0, 4, b"\x94\x04\0\0")
    def check(b):
        n = sum(struct.unpack(">%dH" % (len(b) // 2), b))
        n = (n >> 16) + (n & 0xFFFF)
        return ~((n >> 16) + n) & 0xFFFF
    for body in "1114000000000000" "027d0000", "11050000ef010203" "027d0001" "0a050501", "1164000000000000", "1100000000000000":
        b = bytearray.fromhex(body)
        b[2:4] = struct.pack(">H", check(b))
        s.sendto(b, ("224.0.0.1", 0))
        time.sleep(0.5)


def main():
    setup()
    enter("capW")
    wire = Wire()
    wire.start()
    bring_up()
    time.sleep(2.5)  # duplicate address detection, router solicitation
    targets = (socket.AF_INET, "10.0.1.1"), (socket.AF_INET6, "fd00:2::1"), (socket.AF_INET, "10.0.1.1#md5"), (socket.AF_INET6, "fd00:2::1#md5")
    servers = [inside("capB", server(family, addr)) for family, addr in targets]
    time.sleep(0.5)
    H4, H6 = (socket.AF_INET, "10.0.1.1"), (socket.AF_INET6, "fd00:2::1")
    for fam, host in H4, H6:
        run("capA", tcp(fam, host))
        run("capA", tcp(fam, host, size=5000))
        run("capA", tcp(fam, host, reset=True))
        run("capA", tcp(fam, host, urgent=True))
        run("capA", tcp(fam, host, port=99))
        run("capA", tcp(fam, host, port=8, prepare=lambda s, fam=fam, host=host: md5(s, fam, host)))
        run("capA", tcp(fam, host, fastopen=True))
        run("capA", tcp(fam, host, fastopen=True))
        wire.drop = True
        run("capA", tcp(fam, host, size=30000, wait=0.6))
        wire.drop = False
        for size in 0, 1, 2, 31, 500, 1400, 4000:
            run("capA", udp(fam, host, 7, size))
        run("capA", udp(fam, host, 99, 20))
    dont4, dont6 = (0, 10, 3), (41, 23, 3)  # IP_MTU_DISCOVER, IPV6_MTU_DISCOVER: probe
    run("capA", udp(*H4, 7, 1450, dont4))
    run("capA", udp(*H6, 7, 1430, dont6))
    run("capA", udp(*H4, 7, 20, (0, 2, 1)))  # IP_TTL
    run("capA", udp(*H6, 7, 20, (41, 16, 1)))  # IPV6_UNICAST_HOPS
    run("capA", udp(socket.AF_INET, "10.9.0.1", 7, 20))  # redirect
    run("capA", udp(socket.AF_INET6, "fd00:9::1", 7, 20))
    run("capA", udp(socket.AF_INET, "10.8.0.1", 7, 20))  # prohibited
    run("capA", udp(socket.AF_INET6, "fd00:8::1", 7, 20))
    run("capA", udp(socket.AF_INET, "10.0.1.77", 7, 20))
    run("capA", udp(socket.AF_INET, "10.77.1.77", 7, 20))
    run("capA", udp(socket.AF_INET6, "fd00:77::1", 7, 20))
    run("capA", udp(socket.AF_INET, "10.0.0.66", 7, 20))  # ARP and NS without an answer
    run("capA", udp(socket.AF_INET6, "fd00:1::66", 7, 20))
    for options in "070b04" + "00" * 8 + "00", "44140500" + "00" * 16, "441c0501" + "00" * 24, "94040000", "830b04" "0a0001fe" "0a000101" "00", "8907040a0000fe00", "44140d03" "0a000001" "00000000" "0a0000fe" "00000000":
        run("capA", udp(*H4, 7, 20, (0, 4, bytes.fromhex(options))))
    unknown = {c: bytes([0, 0, c, 2, 1, 2, 1, 0]) for c in (0x1E, 0x5E, 0x9E, 0xDE)}
    for options in (
        [(54, bytes([0, 0, 5, 2, 0, 0, 1, 0]))],
        [(59, unknown[0x1E])],
        [(59, unknown[0x5E])],
        [(59, unknown[0x9E])],
        [(59, unknown[0xDE])],
        [(54, unknown[0x1E]), (59, unknown[0x1E])],
        [(54, unknown[0x9E])],
        [(59, bytes([0, 1]) + bytes([0x1E, 0] * 7))],
    ):
        for size in 20, 3000:
            run("capA", udp(*H6, 7, size, *[(41, n, v) for n, v in options]))
    route = struct.pack(">BBBBI", 0, 2, 2, 1, 0) + socket.inet_pton(socket.AF_INET6, "fd00:2::fe")
    run("capA", udp(*H6, 7, 20, (41, 57, route)))
    for host, size in ("10.0.1.1", 56), ("10.0.1.1", 3000), ("fd00:2::1", 56), ("fd00:2::1", 3000), ("10.0.0.254", 8), ("fd00:1::fe", 8), ("ff02::1%a0", 16), ("10.0.0.1", 8):
        sh(f"ip netns exec capA ping -c 1 -W 1 -s {size} {host}", check=False)
    sh("ip netns exec capA ping -c 1 -W 1 -R 10.0.1.1", check=False)
    sh("ip netns exec capA ping -c 1 -W 1 -T tsandaddr 10.0.1.1", check=False)
    prefix = bytes.fromhex("030440c0" "00015180" "00003840" "00000000") + socket.inet_pton(socket.AF_INET6, "fd00:5::")
    rdnss = bytes.fromhex("19050000" "000004b0") + socket.inet_pton(socket.AF_INET6, "fd00:5::53") + socket.inet_pton(socket.AF_INET6, "fd00:6::53")
    rinfo = bytes.fromhex("18034008" "00000e10") + socket.inet_pton(socket.AF_INET6, "fd00:55::")
    mtu, lladdr = bytes.fromhex("05010000000005dc"), bytes.fromhex("010102005e100001")
    for flags, body in (0x00, lladdr), (0xC0, mtu + prefix), (0x08, prefix + rdnss + rinfo + mtu + lladdr), (0x18, prefix.replace(b"\x40\xc0", b"\x40\x80") + rdnss):
        run("capR", raw6(struct.pack(">BBHBBHII", 134, 0, 0, 64, flags, 1800, 30000, 1000) + body, "ff02::1"))
    time.sleep(2)
    mld = lambda code, group, tail: struct.pack(">BBHHH", 130, 0, 0, code, 0) + socket.inet_pton(socket.AF_INET6, group) + tail
    for force in 0, 2, 1:
        sh(f"ip netns exec capA sysctl -w net.ipv4.conf.a0.force_igmp_version={force} net.ipv6.conf.a0.force_mld_version={min(force, 1)}")
        run("capA", join(socket.AF_INET, force == 0))
        run("capA", join(socket.AF_INET6, force == 0))
    sh("ip netns exec capA sysctl -w net.ipv4.conf.a0.force_igmp_version=0 net.ipv6.conf.a0.force_mld_version=0")
    pids = [inside("capA", join(socket.AF_INET, True)), inside("capA", join(socket.AF_INET6, True))]
    time.sleep(0.2)
    for code, group, tail in (1000, "::", bytes.fromhex("027d0000")), (0x8010, "ff05::1:2:3", bytes.fromhex("027d0001") + socket.inet_pton(socket.AF_INET6, "fd00:7::1")), (500, "::", b""), (500, "ff05::1:2:3", b""):
        run("capR", raw6(mld(code, group, tail), "ff02::1", hops=1))
    run("capR", igmp_queries)
    for p in pids:
        os.waitpid(p, 0)
    time.sleep(1)
    for p in servers:
        os.kill(p, 9)
        os.waitpid(p, 0)
    write(wire.frames)
    for ns in "capA", "capW", "capR", "capB":
        sh("ip netns del " + ns)


def write(frames):
    kept, seen = [], {}
    for t, b in frames:
        shape = (b[12:14], len(b), b[14:16], b[20:24] if b[12:14] == b"\x08\0" else b[20:21], b[34:36], b[54:56])
        big = len(b) > 700
        seen[big, shape if not big else b[12:24]] = n = seen.get((big, shape if not big else b[12:24]), 0) + 1
        if n > (2 if not big else 3) or len(kept) >= MAX:
            continue
        kept.append((t, b))
    with open(OUT, "wb") as f:
        f.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for i, (_, b) in enumerate(kept):
            f.write(struct.pack("<IIII", i, 0, len(b), len(b)) + b)
    print(f"{len(kept)} of {len(frames)} packets, {os.path.getsize(OUT)} bytes", file=sys.stderr)


if __name__ == "__main__":
    main()
