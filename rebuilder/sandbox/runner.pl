# Process 1 of a build container. Speaks docs/formats/runner-protocol.md on its standard streams.
#
# It runs as the same user as the build, so everything of its own is kept out of the build's reach
# first: not dumpable (no ptrace, no /proc/1/fd, no /proc/1/mem), all descriptors close on exec, no
# signal handlers (the kernel then drops every signal the build sends to process 1), and the nonce is
# read only when no process of the build is alive any more. Needs perl-base and nothing else.
use strict;
use warnings;
use Errno qw(EAGAIN EINTR ENOSPC EEXIST);
use Fcntl qw(:mode O_RDONLY O_WRONLY O_CREAT O_EXCL O_NOFOLLOW O_NONBLOCK F_GETFL F_SETFL);
use POSIX ();

my $PROTOCOL    = 'rebuilder-runner/1';
my $PIECE       = 65536;
my $FRAME_LIMIT = 1 << 20;
my $NONCE_SIZE  = 32;
my $OUTPUTS     = 1000;
my $TICK        = 0.2;
my @WRITABLE    = ('/build', '/tmp', '/var/tmp');

# prctl, prlimit64, statfs, rt_sigaction; perl-base has no wrapper for them.
my %NUMBERS = (x86_64 => [157, 302, 137, 13], aarch64 => [167, 261, 43, 134]);
my $machine = (POSIX::uname())[4];
my ($PRCTL, $PRLIMIT, $STATFS, $SIGACTION) = @{ $NUMBERS{$machine} || die "runner: no system call numbers for $machine\n" };
die "runner: needs a 64-bit perl\n" if length(pack('P', undef)) != 8;

my %plan = (env => {}, outputs => [], steps => []);
my %end = (outcome => 'done', step => 0, status => '', signal => '', full => 0, log => 0, note => '');

seal();
read_plan();
run_steps() if $end{outcome} eq 'done';
read_nonce();
send_outputs() if $end{outcome} eq 'done';
finish();

sub seal {
    syscall($PRCTL, 4, 0, 0, 0, 0);    # PR_SET_DUMPABLE
    die "runner: could not make itself undumpable\n" if syscall($PRCTL, 3, 0, 0, 0, 0) != 0;
    default_signals();    # an ignored SIGCHLD would lose the status of every step
    umask 022;
    binmode STDIN;
    binmode STDOUT;
}

# --- frames ---------------------------------------------------------------------------------------

sub read_exactly {
    my ($size) = @_;
    my $data = '';
    while (length($data) < $size) {
        my $got = sysread(STDIN, $data, $size - length($data), length($data));
        next if !defined $got && $! == EINTR;
        lost('input ended in the middle of a frame') if !$got;
    }
    return $data;
}

sub read_frame {
    my ($type, $size) = unpack('aN', read_exactly(5));
    die "runner: a frame of $size bytes is too long\n" if $size > $FRAME_LIMIT;
    return ($type, read_exactly($size));
}

sub send_frame {
    my ($type, $data) = @_;
    my $bytes = pack('aN', $type, length $data) . $data;
    my $sent = 0;
    while ($sent < length $bytes) {
        my $done = syswrite(STDOUT, $bytes, length($bytes) - $sent, $sent);
        next if !defined $done && $! == EINTR;
        lost("could not write: $!") if !defined $done;
        $sent += $done;
    }
}

# The host went away: its own fault, told by a status that nothing else here has (EX_IOERR of sysexits.h).
sub lost {
    my ($text) = @_;
    print STDERR "runner: $text\n";
    POSIX::_exit(74);
}

# --- the build ------------------------------------------------------------------------------------

sub now { return (POSIX::times())[0] / 100 }

sub run_steps {
    my $deadline = now() + $plan{seconds};
    for my $index (1 .. @{ $plan{steps} }) {
        my $step = $plan{steps}[$index - 1];
        $end{step} = $index;
        send_frame('S', $index);
        complain(make_directories($step->{cwd}), 'failed');
        last if $end{outcome} ne 'done';
        my ($child, $log) = start($step);
        my $status = watch($child, $log, $deadline);
        sample_disk();
        kill_everything();
        forward($log) while $end{outcome} ne 'log' && !$log->{ended} && readable($log->{handle}, 0);
        last if $end{outcome} ne 'done';
        next if $status == 0;
        $end{outcome} = 'failed';
        @end{qw(status signal)} = ($status >> 8, $status & 127);
        last;
    }
}

sub start {
    my ($step) = @_;
    pipe(my $reader, my $writer) or die "runner: pipe: $!\n";
    my $child = fork();
    die "runner: fork: $!\n" if !defined $child;
    become($step, $writer) if !$child;
    close $writer;
    fcntl($reader, F_SETFL, fcntl($reader, F_GETFL, 0) | O_NONBLOCK);
    return ($child, { handle => $reader, ended => 0 });
}

# In the child. The three descriptors replaced here are the only ones that survive exec.
sub become {
    my ($step, $writer) = @_;
    POSIX::setsid();
    my $null = POSIX::open('/dev/null', O_RDONLY);
    POSIX::dup2($null, 0);
    POSIX::dup2(fileno $writer, 1);
    POSIX::dup2(fileno $writer, 2);
    POSIX::close($null) if $null > 2;
    default_signals();
    limit_descriptors();
    my @argv = @{ $step->{argv} };
    %ENV = %{ $plan{env} };
    my $failed = chdir $step->{cwd} ? '' : "could not enter $step->{cwd}: $!";
    if ($failed eq '') {
        no warnings 'exec';
        exec { $argv[0] } @argv;
        $failed = "could not run $argv[0]: $!";
    }
    POSIX::write(1, "rebuilder: $failed\n", length("rebuilder: $failed\n"));
    POSIX::_exit(127);
}

# What is ignored stays so across exec: perl ignores one signal for itself, and whoever started the engine may
# have ignored others. 32 and 33 belong to the C library, whose own call refuses to touch them.
sub default_signals {
    my $default = "\0" x 32;
    syscall($SIGACTION, $_, $default, 0, 8) for 1 .. 64;
}

# An engine's default differs from host to host, and some programs try every possible descriptor.
sub limit_descriptors {
    my $old = "\0" x 16;
    return if syscall($PRLIMIT, 0, 7, 0, $old) != 0;
    my $hard = (unpack 'QQ', $old)[1];
    my $new = pack 'QQ', 1024, $hard < 65536 ? $hard : 65536;
    syscall($PRLIMIT, 0, 7, $new, 0);
}

# Until the step's own process has ended, or a limit is passed. Its wait status, or -1.
sub watch {
    my ($child, $log, $deadline) = @_;
    my $sampled = 0;
    while (1) {
        my $left = $deadline - now();
        if ($left <= 0) { $end{outcome} = 'time'; return -1 }
        if ($log->{ended}) { select undef, undef, undef, 0.05 }
        elsif (readable($log->{handle}, $left < $TICK ? $left : $TICK)) { forward($log) }
        return -1 if $end{outcome} ne 'done';
        if (now() - $sampled >= 0.05) { sample_disk(); $sampled = now() }
        while ((my $gone = waitpid(-1, POSIX::WNOHANG())) > 0) { return $? if $gone == $child }
    }
}

sub readable {
    my ($handle, $seconds) = @_;
    my $bits = '';
    vec($bits, fileno $handle, 1) = 1;
    return select($bits, undef, undef, $seconds) > 0;
}

sub forward {
    my ($log) = @_;
    my $got = sysread($log->{handle}, my $data, $PIECE);
    return if !defined $got && ($! == EAGAIN || $! == EINTR);
    if (!$got) { $log->{ended} = 1; return }
    my $room = $plan{log_bytes} - $end{log};
    if ($got > $room) { $data = substr $data, 0, $room; $end{outcome} = 'log' }
    $end{log} += length $data;
    send_frame('L', $data) if length $data;
}

# A build that fills its disk and then tidies up would look as if it failed by itself: so look often.
sub sample_disk {
    for my $path (@WRITABLE) {
        my $buffer = "\0" x 120;
        next if syscall($STATFS, $path, $buffer) != 0;
        my (undef, $size, $blocks, $free, undef, $files, $free_files) = unpack 'Q7', $buffer;
        $end{full} = 1 if $blocks && $free * $size < $PIECE && $free * 100 < $blocks || $files && !$free_files;
    }
}

# Process 1 is spared by kill -1. Orphans become its children, so "no child" means "no process".
sub kill_everything {
    while (1) {
        kill 'KILL', -1;
        my $gone;
        1 while ($gone = waitpid(-1, POSIX::WNOHANG())) > 0;
        return if $gone < 0;
        select undef, undef, undef, 0.01;
    }
}

# --- the end --------------------------------------------------------------------------------------

sub finish {
    $end{processes} = counter('max', '/sys/fs/cgroup/pids.events', '/sys/fs/cgroup/pids/pids.events');
    $end{memory} = counter('oom_kill', '/sys/fs/cgroup/memory.events', '/sys/fs/cgroup/memory/memory.oom_control');
    $end{note} = unpack 'H*', $end{note};
    send_frame('T', $plan{nonce} . join '', map { "$_=$end{$_}\n" } sort keys %end);
    while ($plan{keep}) {
        1 while waitpid(-1, POSIX::WNOHANG()) > 0;
        select undef, undef, undef, 0.5;
    }
    exit 0;
}

sub counter {
    my ($name, @paths) = @_;
    for my $path (@paths) {
        open(my $handle, '<', $path) or next;
        while (<$handle>) { return $1 if /^\Q$name\E (\d+)$/ }
    }
    return 0;
}
