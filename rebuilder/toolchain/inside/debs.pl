#!/usr/bin/perl
# Setup hook of mmdebstrap. Moves the packages to where apt would have downloaded them. A rename instead
# of a copy; each was checked by digest before it was sent here.
# Also lays out the stand-in for mountpoint(1), which is on the PATH of package scripts only where a fix-up says so.
use strict;
use warnings;
use File::Copy qw(copy);
use File::Path qw(make_path);

my ($root) = @ARGV;
my $target = "$root/var/cache/apt/archives";
make_path($target);
for my $deb (glob '/rebuilder/debs/*.deb') {
  my ($name) = $deb =~ m{([^/]+)\z};
  rename($deb, "$target/$name") or die "debs: $deb: $!\n";
}

# Before Debian 13, base-files does not bring the links of a merged /usr, and `usr-is-merged` wants to find them.
if (glob("$target/base-files_12*.deb") and glob("$target/usr-is-merged_*.deb")) {
  for my $name (qw(bin lib lib32 lib64 libx32 sbin)) {
    make_path("$root/usr/$name");
    symlink("usr/$name", "$root/$name") or die "debs: /$name: $!\n";
  }
}

my $stand_ins = "$root/rebuilder-stand-ins";
mkdir $stand_ins or die "debs: $stand_ins: $!\n";
open(my $file, '>', "$stand_ins/mountpoint") or die "debs: $stand_ins: $!\n";
print {$file} "#!/bin/sh\nexit 0\n";
close $file or die "debs: $stand_ins: $!\n";
chmod 0755, "$stand_ins/mountpoint" or die "debs: $stand_ins: $!\n";

my $library = '/rebuilder-stand-ins/libeatmydata.so';
copy($library, "$root$library") or die "debs: $library: $!\n" if -e $library;

# Package scripts write to /dev/null; where it is a plain file, they leave other bytes behind.
open(my $null, '>', "$root/dev/null") or die "debs: /dev/null of the new system cannot be opened: $!\n";
-c $null or die "debs: this engine does not let a container make device nodes (is it rootless?); expected that it does\n";
