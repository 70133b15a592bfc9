/**
 * The systemd unit of a fleet, as text. Pure: every path is an argument. systemd restarts the keeper;
 * modules live on while it does (KillMode=process) and are adopted.
 */
export interface UnitGiven {
  readonly fleet: string
  readonly scope: 'user' | 'system'
  /** Account of a system unit; null: root. */
  readonly account: string | null
  readonly flock: string
  readonly lock: string
  /** Program of the keeper and its arguments. */
  readonly keeper: readonly string[]
  /** Program of the command line and the arguments that name this fleet. */
  readonly mark: readonly string[]
  readonly directory: string
  readonly path: string
  /** systemd >= 254: the keeper gets a group of its own below the unit's, so that `limits:` work there. */
  readonly subgroup: boolean
  /** The longest that stopping everything in order can take. */
  readonly stopMs: number
}

const MARGIN_S = 60

export function unitName(fleet: string): string {
  return `mark-${fleet}.service`
}

export function systemdUnit(given: UnitGiven): string {
  const start = [given.flock, '-F', '-n', '-E', '75', given.lock, ...given.keeper, '--no-successor', '--boot']
  const lines = [
    '[Unit]',
    `Description=MARK keeps the fleet ${given.fleet} running`,
    ...(given.scope === 'system'
      ? ['Wants=network-online.target', 'After=network-online.target time-sync.target']
      : []),
    'StartLimitIntervalSec=0',
    '',
    '[Service]',
    'Type=notify',
    'NotifyAccess=main',
    ...(given.account === null ? [] : [`User=${given.account}`]),
    `WorkingDirectory=${path(given.directory)}`,
    `Environment=${word(`PATH=${given.path}`)}`,
    `ExecStart=${command(start)}`,
    `ExecStop=${command([...given.mark, 'down'])}`,
    'KillMode=process',
    'Restart=always',
    'RestartSec=0',
    '# 0: taken down on purpose; 75: another keeper holds this fleet.',
    'RestartPreventExitStatus=0 75',
    '# A keeper that hangs is replaced at once, as one that was killed.',
    'WatchdogSec=30',
    'WatchdogSignal=SIGKILL',
    `TimeoutStopSec=${Math.ceil(given.stopMs / 1000) + MARGIN_S}`,
    'TimeoutStartSec=60',
    'Delegate=yes',
    ...(given.subgroup ? ['DelegateSubgroup=mark-keeper'] : []),
    'OOMPolicy=continue',
    'LimitNOFILE=65536',
    '',
    '[Install]',
    `WantedBy=${given.scope === 'system' ? 'multi-user.target' : 'default.target'}`,
  ]
  return `${lines.join('\n')}\n`
}

/** Is this the text of the unit that starts the keeper under this lock? Two fleets may have one name. */
export function unitServes(text: string, lock: string): boolean {
  return text.split('\n').some(line => line.startsWith('ExecStart=') && line.includes(` ${word(lock)} `))
}

function command(words: readonly string[]): string {
  return words.map((text, index) => (index === 0 ? word(text).replaceAll('$$', '$') : word(text))).join(' ')
}

/** One word as systemd reads it: quoted where it must be, `%` and `$` literal. */
function word(text: string): string {
  const literal = text.replaceAll('%', '%%').replaceAll('$', '$$$$')
  return /^[\w@%+=:,./$-]+$/.test(literal)
    ? literal
    : `"${literal.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`
}

/** A directive that takes one path: blanks stand as they are, only `%` is special. */
function path(text: string): string {
  return text.replaceAll('%', '%%')
}
