#!/usr/bin/perl
# Runs inside the seed: lets apt choose packages for each list of relations, starting from an empty system.
# Answers on standard output, one frame a list: "BEGIN kind status", apt's own lines, "END kind".
use strict;
use warnings;

my ($folder) = @ARGV;
my @apt = ('apt-get', '--quiet=1', '--assume-yes',
  map { ('--option', $_) } (
    "Dir::Etc::SourceList=$folder/sources.list", 'Dir::Etc::SourceParts=/dev/null',
    "Dir::Etc::Preferences=$folder/preferences", 'Dir::Etc::PreferencesParts=/dev/null',
    "Dir::State::Status=$folder/status", 'APT::Sandbox::User=root', 'APT::Architecture=amd64',
    'APT::Architectures=amd64', 'APT::Install-Recommends=false', 'APT::Install-Suggests=false',
    'Acquire::Languages=none', 'Acquire::Check-Valid-Until=false',
  ));

sub lines_of {
  my ($path) = @_;
  open(my $file, '<', $path) or die "solve: $path: $!\n";
  chomp(my @lines = <$file>);
  close $file;
  return @lines;
}

system(@apt, 'update') == 0 or die "solve: apt could not read the package lists\n";
opendir(my $dir, "$folder/relations") or die "solve: $folder/relations: $!\n";
my @kinds = sort grep { /^[a-z]+$/ } readdir $dir;
for my $kind (@kinds) {
  my @relations = lines_of("$folder/relations/$kind");
  my $pid = open(my $out, '-|') // die "solve: fork: $!\n";
  if (!$pid) {
    open(STDERR, '>&', \*STDOUT);
    exec(@apt, '--simulate', 'satisfy', '--', @relations) or die "solve: apt-get: $!\n";
  }
  my @answer = <$out>;
  close $out;
  printf "BEGIN %s %d\n%sEND %s\n", $kind, $? >> 8, join('', @answer), $kind;
}
