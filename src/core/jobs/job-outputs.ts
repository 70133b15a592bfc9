/**
 * What a run prints for later jobs: lines `MARK_OUTPUT name=value`. Read as text, never evaluated; a line
 * that says it wrongly, or says what was not declared, is reported and changes nothing. The last of a name
 * counts.
 */
export interface Outputs {
  readonly values: Readonly<Record<string, string>>
  /** Each a sentence, at most ten. */
  readonly faults: readonly string[]
}

const MARKER = 'MARK_OUTPUT'
const VALUE_MAX = 4096
const FAULTS_MAX = 10
const SHOWN_MAX = 80

export function readOutputs(lines: readonly string[], declared: readonly string[]): Outputs {
  const values: Record<string, string> = {}
  const faults: string[] = []
  for (const line of lines) {
    if (!line.startsWith(MARKER)) continue
    const fault = take(line, declared, values)
    if (fault !== null && faults.length < FAULTS_MAX) faults.push(fault)
  }
  return { values, faults }
}

function take(line: string, declared: readonly string[], values: Record<string, string>): string | null {
  const shown = JSON.stringify(line.slice(0, SHOWN_MAX))
  const [, name, value] = /^MARK_OUTPUT ([A-Za-z_][A-Za-z0-9_]*)=(.*)$/s.exec(line) ?? []
  if (name === undefined || value === undefined) return `${shown} is no \`${MARKER} name=value\``
  if (!declared.includes(name)) return `it printed the output ${name}, which is not declared`
  if (value.length > VALUE_MAX) return `the output ${name} is longer than ${VALUE_MAX} characters`
  if (!isPlain(value)) return `the output ${name} holds control characters`
  values[name] = value
  return null
}

function isPlain(text: string): boolean {
  return [...text].every(char => char >= ' ' && char !== '\u007f')
}
