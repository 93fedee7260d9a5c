# Makes the interfaces that it is given put checksums into frames themselves, and make none that
# are larger than the line takes, so that a program can carry their frames.
use strict;
use warnings;
use Socket;

# SIOCETHTOOL; of sending: checksums, segmentation by device and by kernel, scattering.
my $ETHTOOL = 0x8946;
my @SWITCHES = (0x17, 0x1f, 0x24, 0x19);

socket(my $any, AF_INET, SOCK_DGRAM, 0) or die "socket: $!";
for my $name (@ARGV) {
  for my $switch (@SWITCHES) {
    my $off = pack('LL', $switch, 0);
    my $request = pack('a16Px16', $name, $off);
    # What an interface cannot switch it does not have.
    ioctl($any, $ETHTOOL, $request);
  }
}
