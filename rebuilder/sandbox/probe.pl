# What a build can see of each thing that a check varies, told before anything of the project runs. Needs perl-base.
# Each line begins with a word that only the host knows, so that nothing else in the log can pass for one.
#
#     perl -e PROBE rebuilder-probe/1 WORD TREE ZONES TOOL...
use strict;
use warnings;
use POSIX ();

my (undef, $word, $tree, $zones, @tools) = @ARGV;
$| = 1;

sub tell_ {
    my ($name, $value) = @_;
    $value = '' if !defined $value;
    $value =~ s/[^\x20-\x7e]/?/g;
    print "$word $name ", substr($value, 0, 400), "\n";
}

# The first line that a program prints; empty if it is not there or fails.
sub ask {
    my (@argv) = @_;
    my $child = open(my $pipe, '-|');
    return '' if !defined $child;
    if (!$child) {
        open(STDERR, '>', '/dev/null');
        exec { $argv[0] } @argv or POSIX::_exit(127);
    }
    my $line = <$pipe>;
    1 while <$pipe>;
    close $pipe;
    $line = '' if !defined $line;
    chomp $line;
    return $line;
}

sub content {
    my ($path) = @_;
    open(my $handle, '<', $path) or return '';
    my $line = <$handle>;
    chomp $line if defined $line;
    return defined $line ? $line : '';
}

sub found {
    my ($name) = @_;
    return -x $name ? $name : '' if $name =~ m{/};
    for my $folder (split /:/, $ENV{PATH}) { return "$folder/$name" if -x "$folder/$name" && -f _ }
    return '';
}

# Whether an ELF program names a loader (PT_INTERP). Without one no library can be put before it.
sub is_static {
    my ($path) = @_;
    open(my $handle, '<', $path) or return 0;
    binmode $handle;
    my ($head, $entry);
    return 0 if read($handle, $head, 64) != 64 || substr($head, 0, 6) ne "\x7fELF\x02\x01";
    my ($table, $size, $count) = (unpack('Q<', substr $head, 32, 8), unpack('v2', substr $head, 54, 4));
    return 0 if $size < 56 || $count > 1000;
    for my $index (0 .. $count - 1) {
        seek($handle, $table + $index * $size, 0);
        return 0 if read($handle, $entry, 4) != 4;
        return 0 if unpack('V', $entry) == 3;
    }
    return 1;
}

# Names in the order in which the folders give them, and the oldest and newest time.
my ($order, $entries, $oldest, $newest) = (5381, 0, undef, undef);

sub walk {
    my ($folder) = @_;
    opendir(my $handle, $folder) or return;
    my @folders;
    while (defined(my $name = readdir $handle)) {
        next if $name eq '.' || $name eq '..';
        return if ++$entries > 20000;
        $order = ($order * 33 + ord) & 0xffffffff for split //, "$name/";
        my @status = lstat "$folder/$name" or next;
        if (-d _) { push @folders, $name; next }
        $oldest = $status[9] if !defined $oldest || $status[9] < $oldest;
        $newest = $status[9] if !defined $newest || $status[9] > $newest;
    }
    closedir $handle;
    walk("$folder/$_") for sort @folders;
}

my ($system, $node, $release) = POSIX::uname();
my @user = getpwuid $>;
walk($tree);
tell_('path', POSIX::getcwd());
tell_('home', (-d $ENV{HOME} && -w _ ? '' : 'not writable: ') . $ENV{HOME});
tell_('user', (defined $user[0] ? $user[0] : 'no name') . " ($>)");
tell_('umask', sprintf '%04o', umask);
# Not its name: of a locale that is not there, there is nothing but the name.
tell_('locale', join ' ', ask('locale', 'decimal_point'), ask('locale', 'abday'));
tell_('timezone', $zones eq 'named' ? ask('node', '-p', 'new Date(0).toString()') || ask('date', '-d', '@0', '+%H:%M %Z')
                                    : ask('date', '-d', '@0', '+%H:%M %Z'));
tell_('host', join '.', grep { $_ ne '' && $_ ne '(none)' } $node, content('/proc/sys/kernel/domainname'));
tell_('environment', $ENV{REBUILDER_CHECK_MARKER} // 'not set');
tell_('exec-path', $ENV{PATH});
tell_('shell', ask('/bin/sh', '-c', 'echo "${BASH_VERSION:-no bash}"'));
tell_('cpu', ask('nproc'));
tell_('jobs', $ENV{MAKEFLAGS} // $ENV{DEB_BUILD_OPTIONS} // 'not set');
tell_('kernel', $release);
tell_('clock', time);
tell_('order', $entries > 1 ? sprintf('%08x', $order) : 'one name only');
tell_('times', defined $oldest ? "$oldest to $newest" : 'no files');
tell_('tmpdir', (-d ($ENV{TMPDIR} // '') && -w _ ? '' : 'not writable: ') . ($ENV{TMPDIR} // ''));
tell_('hash-seed', (found('python3') ? ask('python3', '-c', 'print(hash("rebuilder"))') : '')
    . ' ' . ask($^X, '-e', 'my %h = map { $_ => 1 } "a" .. "t"; print join("", keys %h), "\n"'));
my $box = found('busybox');
tell_('static-clock', $box ne '' && is_static($box) ? ask($box, 'date', '+%s') : '');
tell_('static', join ' ', grep { my $path = found($_); $path ne '' && is_static($path) } @tools);
tell_('end', '');
