#!/usr/bin/perl
# Runs inside the seed: unpacks the tar on standard input below a folder, then becomes the command given.
# A program of its own so that no shell ever sees a package's name.
use strict;
use warnings;

# What package scripts create must not depend on who started this.
umask 0022;

my ($folder, @command) = @ARGV;
die "usage: feed FOLDER COMMAND...\n" unless @command;
-d $folder or mkdir $folder or die "feed: $folder: $!\n";
-d "$folder/tmp" or mkdir "$folder/tmp" or die "feed: $folder/tmp: $!\n";
system('tar', '--extract', '--no-same-owner', '--directory', $folder, '--file', '-') == 0
  or die "feed: the files sent to this container could not be unpacked\n";

# A library that makes fsync do nothing, if the seed has it; inside/debs.pl puts it at the same place in the chroot.
my $library = '/usr/lib/x86_64-linux-gnu/libeatmydata.so';
if (-e $library) {
  mkdir '/rebuilder-stand-ins' or die "feed: stand-ins: $!\n";
  symlink $library, '/rebuilder-stand-ins/libeatmydata.so' or die "feed: stand-ins: $!\n";
  $ENV{LD_PRELOAD} = '/rebuilder-stand-ins/libeatmydata.so';
}
open(STDIN, '<', '/dev/null') or die "feed: /dev/null: $!\n";
exec {$command[0]} @command or die "feed: $command[0]: $!\n";
