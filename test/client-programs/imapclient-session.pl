# A whole session with Perl's Mail::IMAPClient.
#
# Arguments: host, port, "Ssl" or "Starttls", certificate file, user, file that the test waits for, file that the test
# makes. The password comes on standard input. Writes what it saw as JSON.

use strict;
use warnings;
use IO::Socket::SSL;
use JSON::PP;
use Mail::IMAPClient;

my ($host, $port, $security, $certificate, $user, $idling, $changed) = @ARGV;
chomp(my $password = <STDIN>);
my %saw;

my $tls = [SSL_ca_file => $certificate, SSL_verify_mode => SSL_VERIFY_PEER, SSL_hostname => $host];
my $imap = Mail::IMAPClient->new(
    Server   => $host,
    Port     => $port,
    User     => $user,
    Password => $password,
    $security => $tls,
    Uid      => 1,
    Peek     => 1,
    Timeout  => 20,
) or die "no session: $@";
sub must { my ($what, @result) = @_; die "$what: " . $imap->LastError unless @result && defined $result[0]; return @result }

# First sync.
$saw{folders} = [sort(must('folders', $imap->folders))];
$saw{count} = (must('select', $imap->select('INBOX')), $imap->message_count)[1];
my @uids = must('messages', $imap->messages);
$saw{subjects} = {map { $_ => $imap->subject($_) } @uids};
$saw{first} = (must('message_string', $imap->message_string($uids[0])))[0];
$saw{hash} = $imap->fetch_hash('FLAGS', 'RFC822.SIZE');
$saw{headers} = $imap->parse_headers($uids[1], 'From', 'Subject');
my $envelope = $imap->get_envelope($uids[0]);
$saw{from} = $envelope->from_addresses;
my $structure = $imap->get_bodystructure($uids[1]);
$saw{types} = [map { $_->bodytype . '/' . $_->bodysubtype } $structure, $structure->bodystructure];
$saw{part} = $imap->bodypart_string($uids[1], '2');

# Flags, search.
must('see', $imap->see($uids[0]));
must('mark', $imap->mark($uids[0]));
must('keyword', $imap->set_flag('Work', $uids[0]));
$saw{unseen} = [$imap->unseen];
$saw{search} = [$imap->search('TEXT "of two"')];
$saw{since} = [$imap->since(1_600_000_000)];
$saw{thread} = [$imap->thread('REFERENCES', 'UTF-8', 'ALL')];

# A draft; a folder; copy, move, delete.
must('create', $imap->create('Drafts'));
my $draft = "From: me\@client.example\r\nSubject: draft\r\n\r\nnot yet\r\n";
$saw{appended} = (must('append', $imap->append_string('Drafts', $draft, '\Draft \Seen', ' 1-Mar-2021 10:00:00 +0100')))[0];
must('create', $imap->create('Archive'));
must('copy', $imap->copy('Archive', $uids[1]));
must('move', $imap->move('Archive', $uids[2]));
must('delete', $imap->delete_message($uids[1]));
must('expunge', $imap->expunge);
must('rename', $imap->rename('Archive', 'Archive 2021'));
must('subscribe', $imap->subscribe('Archive 2021'));
$saw{subscribed} = [sort $imap->subscribed];
$saw{missing} = defined $imap->select('Nowhere') ? '' : $imap->LastError;

# IDLE: the test delivers a message now.
must('select', $imap->select('INBOX'));
my $tag = (must('idle', $imap->idle))[0];
open(my $made, '>', $idling) or die $!;
close $made;
my @heard;
for (1 .. 20) {
    my $lines = $imap->idle_data(1);
    push @heard, grep { /EXISTS/ } @$lines if $lines;
    last if @heard;
}
must('done', $imap->done($tag));
$saw{heard} = [map { s/\s+$//r } @heard];
$saw{new} = [map { $imap->subject($_) } grep { $_ > $uids[-1] } $imap->messages];
must('logout', $imap->logout);
print encode_json(\%saw);
