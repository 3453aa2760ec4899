use strict;
use warnings;

# A table of constants, in the order of the hash.
my %colours = (red => 'f00', green => '0f0', blue => '00f', cyan => '0ff', black => '000', white => 'fff', grey => '888');
mkdir 'out';
open my $out, '>', 'out/colours.h' or die $!;
print {$out} "#define COLOUR_\U$_\E 0x$colours{$_}\n" for keys %colours;
close $out or die $!;
