#!/bin/sh
#
# Settings that all scripts start from.
#
# Flush cached metrics first.
ip tcp_metrics flush all > /dev/null 2>&1

sysctl -q net.ipv4.tcp_congestion_control=cubic
sysctl -q net.core.default_qdisc=fq
sysctl -q net.ipv4.tcp_autocorking=0
sysctl -q net.ipv4.tcp_dsack=1
sysctl -q net.ipv4.tcp_early_retrans=3
sysctl -q net.ipv4.tcp_ecn=0
sysctl -q net.ipv4.tcp_fack=0 2>/dev/null
sysctl -q net.ipv4.tcp_fastopen=0x3
sysctl -q net.ipv4.tcp_fastopen_key=a1a1a1a1-b2b2b2b2-c3c3c3c3-d4d4d4d4
sysctl -q net.ipv4.tcp_frto=2
sysctl -q net.ipv4.tcp_keepalive_intvl=75
sysctl -q net.ipv4.tcp_keepalive_probes=9
sysctl -q net.ipv4.tcp_keepalive_time=7200
sysctl -q net.ipv4.tcp_mtu_probing=0
sysctl -q net.ipv4.tcp_no_metrics_save=1
sysctl -q net.ipv4.tcp_notsent_lowat=4294967295
sysctl -q net.ipv4.tcp_pacing_ca_ratio=120
sysctl -q net.ipv4.tcp_pacing_ss_ratio=200
sysctl -q net.ipv4.tcp_recovery=1
sysctl -q net.ipv4.tcp_reordering=3
sysctl -q net.ipv4.tcp_retries1=3
sysctl -q net.ipv4.tcp_retries2=15
sysctl -q net.ipv4.tcp_rmem="4096 131072 33554432"
sysctl -q net.ipv4.tcp_sack=1
sysctl -q net.ipv4.tcp_slow_start_after_idle=1
sysctl -q net.ipv4.tcp_syn_retries=5
sysctl -q net.ipv4.tcp_syncookies=1
sysctl -q net.ipv4.tcp_timestamps=1
sysctl -q net.ipv4.tcp_tso_win_divisor=3
sysctl -q net.ipv4.tcp_tw_reuse=0
sysctl -q net.ipv4.tcp_window_scaling=1
sysctl -q net.ipv4.tcp_wmem="4096 262144 33554432"
sysctl -q net.ipv4.tcp_min_tso_segs=2
sysctl -q net.ipv4.tcp_tso_rtt_log=0
sysctl -q net.ipv4.tcp_rto_min_us=200000 2>/dev/null

# Fair queueing where it is there.
tc qdisc replace dev tun0 root fq 2>/dev/null || tc qdisc replace dev tun0 root pfifo 2> /dev/null

exit 0
