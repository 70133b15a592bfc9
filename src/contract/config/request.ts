/** What a load of mark.yaml is given; see load.ts. */
import type { Plan } from '../../core/plan.ts'
import type { ConfigFiles } from './files.ts'
import type { ReadCronLine } from '../jobs/cron-line.ts'
import type { Variables } from './interpolate.ts'

export interface LoadRequest {
  /** Absolute path of mark.yaml. */
  readonly file: string
  readonly files: ConfigFiles
  /** The caller's environment: serves `${VAR}`, required_env and secrets, and the first base environment. */
  readonly env: Variables
  /** Who will run the fleet. */
  readonly uid: number
  /** Unix milliseconds: whether the data of a calendar end soon. */
  readonly nowMs: number
  readonly flags: {
    readonly mode?: string | undefined
    readonly autonomy?: string | undefined
    readonly strategy?: string | undefined
  }
  /** The plan in force: its base environment is kept unless `refreshEnv`. */
  readonly previous: Plan | null
  readonly refreshEnv: boolean
  /** How MARK's own broker is started, if `link:` asks for it. */
  readonly linkArgv: readonly string[]
  /** Reads the cron lines of jobs; null only for a fleet without jobs. */
  readonly readCronLine: ReadCronLine | null
}
