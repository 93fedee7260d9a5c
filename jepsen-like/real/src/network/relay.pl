# Carries frames between two interfaces, late and in their order: relay.pl ONE OTHER DELAY_MS MORE_MS.
# Each is late by DELAY_MS and up to MORE_MS more. It ends when its input does, and then prints how
# many frames it has carried.
use strict;
use warnings;
use Socket;
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);

my ($one, $other, $delay_ms, $more_ms) = @ARGV;
my $AF_PACKET = 17;
my $EVERY_PROTOCOL = unpack('S', pack('n', 3));
my $INDEX_OF = 0x8933;
my ($SOL_PACKET, $IGNORE_OUTGOING) = (263, 23);
my $FRAMES_AT_ONCE = 64;
my $DONT_WAIT = 0x40;

sub line {
  my ($name) = @_;
  socket(my $line, $AF_PACKET, SOCK_RAW, $EVERY_PROTOCOL) or die "packet socket: $!";
  my $request = pack('a16x24', $name);
  ioctl($line, $INDEX_OF, $request) or die "$name: $!";
  my $index = unpack('x16l', $request);
  setsockopt($line, $SOL_PACKET, $IGNORE_OUTGOING, pack('l', 1)) or die "outgoing frames: $!";
  setsockopt($line, SOL_SOCKET, SO_RCVBUF, pack('l', 8 << 20));
  bind($line, pack('SSlSCCa8', $AF_PACKET, $EVERY_PROTOCOL, $index, 0, 0, 0, '')) or die "$name: $!";
  return $line;
}

my @lines = (line($one), line($other));
my @late = ([], []);
my @last_due = (0, 0);
my $carried = 0;
while (1) {
  my $now = clock_gettime(CLOCK_MONOTONIC);
  my $wait = 1;
  for my $side (0, 1) {
    my $queue = $late[$side];
    while (@$queue && $queue->[0][0] <= $now) {
      $carried++ if send($lines[1 - $side], (shift @$queue)->[1], $DONT_WAIT);
    }
    $wait = $queue->[0][0] - $now if @$queue && $queue->[0][0] - $now < $wait;
  }
  my $ready = '';
  vec($ready, fileno($_), 1) = 1 for (\*STDIN, @lines);
  select($ready, undef, undef, $wait);
  last if vec($ready, fileno(STDIN), 1) && !sysread(STDIN, my $word, 64);
  $now = clock_gettime(CLOCK_MONOTONIC);
  for my $side (0, 1) {
    next unless vec($ready, fileno($lines[$side]), 1);
    for (1 .. $FRAMES_AT_ONCE) {
      defined recv($lines[$side], my $frame, 65536, $DONT_WAIT) or last;
      my $due = $now + ($delay_ms + rand($more_ms)) / 1000;
      $due = $last_due[$side] if $due < $last_due[$side];
      $last_due[$side] = $due;
      push @{$late[$side]}, [$due, $frame];
    }
  }
}
print "$carried\n";
