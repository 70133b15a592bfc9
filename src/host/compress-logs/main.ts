/**
 * The niced child that compresses the archives in the logs directory it is given, once, and ends: 0 when none
 * is left, 3 when some were too young. Writes nowhere else.
 */
import { compressLogs } from '../log-compress.ts'

const logs = process.argv[2]
if (logs === undefined) throw new Error('compress-logs needs the logs directory')
process.exitCode = compressLogs(logs, Date.now()) ? 0 : 3
