/**
 * The words mark.yaml is made of: durations, sizes, names, commands, probes. Each says what it expects, in
 * a phrase that completes "... is not ..."; errors, `mark config explain` and the JSON Schema all come from
 * here.
 */
import { z } from 'zod'
import { parseDurationMs, parseSizeBytes } from '../../core/time.ts'

/** What a schema expects, for people. */
export const expectations = z.registry<{ expected: string }>()

export function expecting<T extends z.ZodType>(schema: T, expected: string): T {
  expectations.add(schema, { expected })
  return schema
}

const DURATION = 'a duration such as 500ms, 3s, 5m, 1h or 14d'
const SIZE = 'a size such as 64K, 512M or 2G'
export const NAME_PATTERN = /^[a-z][a-z0-9_-]{0,62}$/
export const NAME_EXPECTED = 'a name: a lower-case letter, then letters, digits, _ or -, at most 63'

/** Milliseconds, 0 or more. */
export const duration = expecting(z.string().regex(/^\d{1,12}(\.\d{1,3})?(ms|s|m|h|d)$/), DURATION).transform(
  text => parseDurationMs(text) as number,
)

/** Milliseconds, more than 0. */
export const positiveDuration = expecting(
  z.string().regex(/^(?=.*[1-9])\d{1,12}(\.\d{1,3})?(ms|s|m|h|d)$/),
  `${DURATION}, and more than 0`,
).transform(text => parseDurationMs(text) as number)

/** Bytes, more than 0. */
export const size = expecting(
  z.union([z.int().positive(), z.string().regex(/^(?=.*[1-9])\d{1,12}(\.\d{1,3})?[KMG]?$/)]),
  SIZE,
).transform(value => (typeof value === 'number' ? value : (parseSizeBytes(value) as number)))

/** Bytes, 0 allowed. */
export const sizeOrZero = expecting(
  z.union([z.int().min(0), z.string().regex(/^\d{1,12}(\.\d{1,3})?[KMG]?$/)]),
  SIZE,
).transform(value => (typeof value === 'number' ? value : (parseSizeBytes(value) as number)))

export const text = expecting(z.string().min(1), 'text')
export const path = expecting(z.string().min(1), 'a path')
export const name = expecting(z.string().regex(NAME_PATTERN), NAME_EXPECTED)
export const names = expecting(z.array(name), 'a list of names')
export const truth = expecting(z.boolean(), 'true or false')
export const count = expecting(z.int().min(0), 'a whole number, 0 or more')
export const positiveCount = expecting(z.int().min(1), 'a whole number, 1 or more')
export const factor = expecting(z.number().min(1).max(1000), 'a number from 1 to 1000')
export const fraction = expecting(z.number().min(0).max(1), 'a number from 0 to 1')
export const variableName = expecting(
  z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/),
  'the name of an environment variable',
)
export const variableNames = expecting(z.array(variableName), 'a list of names of environment variables')

export function choice<const T extends readonly [string, ...string[]]>(values: T) {
  return expecting(z.enum(values), `one of ${values.join(', ')}`)
}

/** Argument vector, or one line that is split as a shell splits words. */
export const command = expecting(
  z.union([z.string().min(1), z.array(z.string()).min(1)]),
  'a command: a list such as [python3, -m, vida], or one line of text',
)

export const environment = expecting(
  z.record(variableName, expecting(z.string(), 'text; quotes alone, "", for an empty value')),
  'a map of variables such as { PYTHONPATH: src }',
)

export const envFiles = expecting(z.union([path, z.array(path)]), 'a path or a list of paths').transform(
  value => (typeof value === 'string' ? [value] : value),
)

const httpUrl = expecting(z.string().regex(/^https?:\/\/[^\s/]+/), 'a URL such as http://127.0.0.1:8080/ping')
const address = expecting(
  z.union([
    z.int().min(1).max(65_535),
    z.string().regex(/^(?:(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):)?\d{1,5}$/),
  ]),
  'a port or host:port such as 127.0.0.1:8080',
)

/** Keys of the three questions that can be asked from outside; exactly one is given. */
export const probeShape = {
  http: httpUrl.optional().describe('Asks this URL: any status from 200 to 399 is a yes.'),
  tcp: address.optional().describe('Connects to this port or host:port: a connection is a yes.'),
  exec: command.optional().describe('Runs this command as the module would run it: exit 0 is a yes.'),
}

export const mode = choice(['TEST', 'REAL', 'DEBUG', 'LIVE', 'testnet'])
