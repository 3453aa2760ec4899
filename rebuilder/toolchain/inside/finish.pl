#!/usr/bin/perl
# Last customize hook of mmdebstrap: fixed bytes for every file that would otherwise come from the host or
# from this build, so that one lock gives one root filesystem everywhere.
use strict;
use warnings;

my ($root) = @ARGV;
my %fixed = (
  'etc/hostname'         => "rebuilder\n",
  'etc/hosts'            => "127.0.0.1 localhost rebuilder\n::1 localhost\n",
  'etc/resolv.conf'      => "",
  'etc/apt/sources.list' => "",
);
for my $name (sort keys %fixed) {
  my $path = "$root/$name";
  unlink $path;
  next if $name =~ m{^etc/apt/} && !-d "$root/etc/apt";
  open(my $file, '>', $path) or die "finish: $path: $!\n";
  print {$file} $fixed{$name};
  close $file or die "finish: $path: $!\n";
  chmod 0644, $path or die "finish: $path: $!\n";
}

# Files that no two runs make alike; the lock names each, with the reason.
open(my $list, '<', '/rebuilder/remove') or die "finish: list of fix-ups: $!\n";
chomp(my @remove = <$list>);
unlink map { "$root/$_" } @remove;

unlink map { "$root/rebuilder-stand-ins/$_" } 'mountpoint', 'libeatmydata.so';
rmdir "$root/rebuilder-stand-ins" or die "finish: stand-ins: $!\n";
unlink glob("$root/etc/apt/sources.list.d/*"), "$root/etc/apt/apt.conf.d/99mmdebstrap",
  "$root/etc/dpkg/dpkg.cfg.d/99mmdebstrap";
