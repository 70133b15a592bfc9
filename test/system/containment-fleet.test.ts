/**
 * Containment as a user meets it, through `mark up`: a module with `user:` reaches all that is its own and
 * nothing else; one with `limits:` stays within them, and OOM is named.
 */
import assert from 'node:assert/strict'
import { chmodSync, existsSync, readdirSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Cgroups } from '../../src/host/cgroup.ts'
import { findUser } from '../../src/host/users.ts'
import { Fleet, until } from './fleet.ts'

const isRoot = process.getuid?.() === 0
const perl = existsSync('/usr/bin/perl')
const nobody = findUser('nobody')
const { can } = Cgroups.open({ key: 'probe', libc: null })

/** Says READY, then tries every door and writes down which of them opened. */
const GUEST = `use Socket; $| = 1;
sub door {
  my ($name, $open) = @_;
  print "$name ", ($open ? "open" : $!{EACCES} || $!{EPERM} ? "shut" : $!), "\\n"
}
sub reads { my $ok = open(my $in, "<", $_[0]); $ok || $!{ENOENT} }
sub socket_at { my $type = shift; socket(my $s, PF_UNIX, $type, 0); connect($s, sockaddr_un($_[0])) && $s }
sub doors {
my ($s, $root) = ($ENV{STATE}, $ENV{MARK_STATE_DIR});
for (1 .. 1500) { last if -e "$s/run/daemon.sock"; select undef, undef, undef, 0.01 }
door("own", open(my $out, ">", "$root/positions.db"));
door("halt", reads($ENV{MARK_HALT_FILE}));
my $dir = $ENV{MARK_SOCKET}; $dir =~ s{/[^/]+$}{};
door("sockets", -x $dir);
my $n = socket_at(SOCK_DGRAM, $ENV{NOTIFY_SOCKET});
door("notify", $n && send($n, "READY=1\\nSTATUS=as uid $<", 0));
door("keeper", socket_at(SOCK_STREAM, "$s/run/keeper.sock"));
door("daemon", socket_at(SOCK_STREAM, "$s/run/daemon.sock"));
door("plan", open(my $a, "<", "$s/plan.json"));
door("secrets", open(my $b, "<", "$s/secrets.env"));
door("journal", open(my $c, "<", "$s/events.journal"));
door("theirs", opendir(my $d, "$s/state/other"));
door("make", mkdir("$s/x"));
door("latch", opendir(my $e, "$s/kill.latch"));
door("runs", opendir(my $f, "$s/runs"));
door("root", ($> = $< = 0) == $> && open(my $g, ">>", "/etc/shadow"));
}
doors(); print "done\\n"; $SIG{TERM} = sub { exit 0 }; sleep 1000`

test('a module with a user reaches all that is its own, and nothing of MARK or of others', {
  skip: isRoot && nobody && perl ? false : 'giving up root needs root, perl and an account nobody',
}, async () => {
  const fleet = new Fleet(
    `secrets: { KEY: { env: PATH } }
modules:
  guest:
    command: [/usr/bin/perl, guest.pl]
    user: nobody
    ready: { notify: true, timeout: 20s }
    health: { exec: [sh, -c, "id -un > $MARK_ROOT/.mark/state/guest/probe"], interval: 1s }
    stop:
      grace: 2s
      before: [sh, -c, "(id -un; grep NoNew /proc/self/status) > $MARK_STATE_DIR/hook"]
  other: { command: [sleep, 1000], secrets: [KEY] }
`,
    ['guest', 'other'],
  )
  chmodSync(fleet.dir, 0o755)
  fleet.write('guest.pl', `$ENV{STATE} = "${fleet.stateDir}";\n${GUEST}`)
  try {
    await fleet.up()
    assert.equal(fleet.events('ready', 'guest')[0]?.data.by, 'notify')
    const said = await until('it tried every door', 10_000, () => {
      const log = fleet.read('.mark/logs/guest.log')
      return log.endsWith('done\n') && log
    })
    const doors = (state: string): string[] =>
      said.split('\n').flatMap(line => (line.endsWith(` ${state}`) ? [line.split(' ')[0] as string] : []))
    assert.deepEqual(doors('open'), ['own', 'halt', 'sockets', 'notify'])
    assert.equal(doors('shut').length, 10, said)
    assert.equal((await fleet.module('guest')).reason, `as uid ${nobody?.uid}`)
    const pid = fleet.pids().guest?.[0] as number
    assert.deepEqual(readdirSync(`/proc/${pid}/fd`).sort(), ['0', '1', '2'])
    await until('its probe ran', 10_000, () => fleet.read('.mark/state/guest/probe') === 'nobody\n')
    await fleet.expect(0, 'stop', 'guest')
    assert.equal(fleet.read('.mark/state/guest/hook'), 'nobody\nNoNewPrivs:\t1\n')
  } finally {
    fleet.end()
  }
})

const limited = (able: boolean): { skip: string | false } => {
  return { skip: able && perl ? false : 'this host offers no such limit to this account, or no perl' }
}

test(
  'a module past its memory limit is restarted, and its exit says out of memory',
  limited(can.memory),
  async () => {
    const fleet = new Fleet(
      `defaults: { restart: { delay: 100ms, multiplier: 1, budget: [100/1m] } }
modules:
  hog:
    command: [/usr/bin/perl, -e, 'if (-e "calm") { sleep 1000 } my @x; push @x, "a" x (1<<20) while 1']
    limits: { memory: 32M }
`,
      ['hog'],
    )
    try {
      await fleet.mark('up', '-d', '--timeout', '5s')
      const exit = await until('its end is told', 10_000, async () => (await fleet.module('hog')).last_exit)
      assert.deepEqual([exit.known, exit.signal, exit.oom], [true, 'SIGKILL', true])
      fleet.write('calm', '')
      await until('it runs again', 10_000, async () => (await fleet.module('hog')).state === 'ready')
    } finally {
      await fleet.mark('down')
      fleet.end()
    }
  },
)

test('a fork bomb is contained, and `mark stop` ends all of it at once', limited(can.pids), async () => {
  const fleet = new Fleet(
    `modules:
  bomb: { command: [/usr/bin/perl, -e, 'while (1) { fork }'], limits: { pids: 60 }, stop: { grace: 100ms } }
`,
    ['bomb'],
  )
  try {
    await fleet.up()
    const groups = groupsOf(fleet)
    const [runId] = groups.list()
    await until('it has used all it may', 10_000, () => groups.usage(runId as string)?.pids === 60)
    const { tookMs } = await fleet.expect(0, 'stop', 'bomb')
    assert.deepEqual(groups.pids(runId as string), [])
    assert.ok(tookMs < 5_000, `it took ${tookMs} ms`)
    await until('its groups are removed', 5_000, () => groups.list().length === 0)
  } finally {
    await fleet.mark('down')
    fleet.end()
  }
})

test(
  'a keeper that was killed leaves a limited run as it is, and its successor ends it whole',
  limited(can.pids),
  async () => {
    const fleet = new Fleet('modules:\n  bot: { command: [sleep, "1000"], limits: { pids: 20 } }\n', ['bot'])
    try {
      await fleet.up()
      const groups = groupsOf(fleet)
      const [runId] = groups.list()
      const before = fleet.pids().bot
      const keeper = (await fleet.status()).keeper?.pid as number
      process.kill(keeper, 'SIGKILL')
      await until('a successor answers', 10_000, async () => {
        const now = (await fleet.status()).keeper?.pid ?? null
        return now !== null && now !== keeper
      })
      assert.deepEqual(fleet.pids().bot, before)
      assert.deepEqual(groups.pids(runId as string), before)
      await fleet.expect(0, 'down')
      assert.deepEqual(groups.list(), [])
    } finally {
      fleet.end()
    }
  },
)

/** The groups that the fleet's keeper made: same key, same host. */
function groupsOf(fleet: Fleet): Cgroups {
  const key = realpathSync(join(fleet.stateDir, 'run')).split('/').at(-1) as string
  return Cgroups.open({ key, libc: null })
}
