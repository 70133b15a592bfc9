/**
 * The exec trampoline: the argv that sets what a spawn cannot (user, groups, ulimits, umask) and then becomes
 * the module, under the same pid. A module that asks for none of it is started as it is.
 */
export interface TrampolineSpec {
  readonly argv: readonly string[]
  readonly user: { readonly uid: number; readonly gid: number } | null
  readonly umask: string | null
  /** Resource limits by prlimit's names, soft and hard alike. */
  readonly ulimits: Readonly<Record<string, number>>
}

export function trampoline(spec: TrampolineSpec): readonly string[] {
  const limits = Object.entries(spec.ulimits).map(([name, value]) => `--${name}=${value}:${value}`)
  const raise = limits.length > 0 ? ['prlimit', ...limits, '--'] : []
  const become = spec.user
    ? [
        'setpriv',
        `--reuid=${spec.user.uid}`,
        `--regid=${spec.user.gid}`,
        '--init-groups',
        '--no-new-privs',
        '--',
      ]
    : []
  const mask =
    spec.umask !== null && spec.umask !== '022' ? ['sh', '-c', 'umask "$0" && exec "$@"', spec.umask] : []
  return [...raise, ...become, ...mask, ...spec.argv]
}
