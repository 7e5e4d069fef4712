#!/usr/bin/env python3
"""Sets settings given as /proc/sys/...=value, and leaves a script that puts them back."""
import os
import sys

path = '/tmp/sysctl_restore_%d.sh' % os.getppid()
with open(path, 'w') as f:
    f.write('#!/bin/sh\n')
    for arg in sys.argv[1:]:
        name, value = arg.split('=', 1)
        old = open(name).read().strip()
        f.write('echo "%s" > %s\n' % (old, name))
        with open(name, 'w') as g:
            g.write(value)
os.chmod(path, 0o755)
