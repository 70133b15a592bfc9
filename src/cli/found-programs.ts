/**
 * What in a directory looks like a program that runs for long: for `mark init`. Reads only names and small
 * files, and runs nothing.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { parseEnv } from 'node:util'

export interface FoundModule {
  readonly name: string
  readonly command: readonly string[]
  readonly virtualenv: string | null
  readonly pythonPath: string | null
  readonly remark: string | null
}

export interface Found {
  readonly modules: readonly FoundModule[]
  /** Names of the variables in .env. */
  readonly envNames: readonly string[]
  /** Lines for the end of the file, as comments. */
  readonly comments: readonly string[]
  /** Lines for the person who typed the command. */
  readonly remarks: readonly string[]
}

export function foundFromCommand(command: readonly string[]): Found {
  return { modules: [moduleOf(nameFromCommand(command), command)], envNames: [], comments: [], remarks: [] }
}

export function findPrograms(dir: string): Found {
  const virtualenv = VIRTUALENVS.find(name => existsSync(join(dir, name, 'bin', 'python'))) ?? null
  const modules = uniqueNames([...fromProcfile(dir), ...fromPython(dir, virtualenv), ...fromNode(dir)])
  const compose = fromCompose(dir)
  const remarks =
    modules.length === 0 ? ['nothing here looks like a program: `example` shows how one is declared'] : []
  if (compose.length > 0) remarks.push('the services of docker compose stand at the end, as comments')
  if (virtualenv === null && existsSync(join(dir, 'requirements.txt'))) {
    remarks.push(
      'requirements.txt has no virtualenv beside it: python3 -m venv env, then `virtualenv: ./env`',
    )
  }
  return {
    modules: modules.length > 0 ? modules : [EXAMPLE],
    envNames: Object.keys(parseEnv(small(join(dir, '.env')))),
    comments: compose,
    remarks,
  }
}

const VIRTUALENVS = ['env', 'venv', '.venv', '.env-py']
const PYTHON_MAINS = ['main.py', 'bot.py', 'run.py', 'app.py']

const EXAMPLE: FoundModule = {
  name: 'example',
  command: ['/bin/sh', '-c', 'while sleep 5; do date; done'],
  virtualenv: null,
  pythonPath: null,
  remark: 'Put your own program here.',
}

function moduleOf(name: string, command: readonly string[], more: Partial<FoundModule> = {}): FoundModule {
  return { name, command, virtualenv: null, pythonPath: null, remark: null, ...more }
}

/** `python3 -m vida.main` -> vida-main, `node dist/server.js` -> server, `./run.sh --fast` -> run. */
export function nameFromCommand(command: readonly string[]): string {
  const [program = '', ...rest] = command
  const isInterpreter = /^(python[\d.]*|node|bash|sh|ruby|perl|java|npm|npx|uv|poetry|deno|bun)$/.test(
    basename(program),
  )
  const dashM = rest.indexOf('-m')
  const target = dashM >= 0 ? rest[dashM + 1] : rest.find(word => !word.startsWith('-') && word !== 'run')
  const word = isInterpreter && target !== undefined ? target : program
  return nameFrom(basename(word).replace(/\.(py|js|ts|mjs|cjs|sh|rb|pl|jar)$/, ''))
}

function nameFrom(text: string): string {
  const fits = text
    .toLowerCase()
    .replace(/[^a-z0-9_-]+/g, '-')
    .replace(/^[^a-z]+|-+$/g, '')
  return fits.slice(0, 63) || 'main'
}

function uniqueNames(modules: readonly FoundModule[]): FoundModule[] {
  const taken = new Set<string>()
  return modules.map(module => {
    let name = module.name
    for (let count = 2; taken.has(name); count++) name = `${module.name.slice(0, 58)}-${count}`
    taken.add(name)
    return { ...module, name }
  })
}

function fromPython(dir: string, virtualenv: string | null): FoundModule[] {
  const python = 'python3'
  const more = { virtualenv: virtualenv === null ? null : `./${virtualenv}` }
  const scripts = PYTHON_MAINS.filter(name => existsSync(join(dir, name)))
  const found = scripts.map(name => {
    const own = nameFrom(name.slice(0, -3))
    return moduleOf(
      scripts.length === 1 && own === 'main' ? nameFrom(basename(dir)) : own,
      [python, name],
      more,
    )
  })
  for (const [base, pythonPath] of [
    [dir, null],
    [join(dir, 'src'), 'src'],
  ] as const) {
    for (const name of directories(base)) {
      const fits = /^[A-Za-z_]\w*$/.test(name) && existsSync(join(base, name, '__main__.py'))
      if (fits) found.push(moduleOf(nameFrom(name), [python, '-m', name], { ...more, pythonPath }))
    }
  }
  return found
}

function fromNode(dir: string): FoundModule[] {
  try {
    const { name, scripts } = JSON.parse(small(join(dir, 'package.json'))) as {
      name?: string
      scripts?: Record<string, unknown>
    }
    if (typeof scripts?.start !== 'string') return []
    return [moduleOf(nameFrom(basename(name ?? basename(dir))), ['npm', 'start'])]
  } catch {
    return []
  }
}

function fromProcfile(dir: string): FoundModule[] {
  const lines = small(join(dir, 'Procfile')).split('\n')
  return lines.flatMap(line => {
    const match = /^([A-Za-z][\w-]*):\s*(\S.*)$/.exec(line)
    return match
      ? [
          moduleOf(nameFrom(match[1] as string), ['/bin/sh', '-c', `exec ${match[2]}`], {
            remark: 'From the Procfile.',
          }),
        ]
      : []
  })
}

const COMPOSE_FILES = ['compose.yaml', 'compose.yml', 'docker-compose.yml', 'docker-compose.yaml']

/** Services run images; only their names and commands can be taken over, for a person to finish. */
function fromCompose(dir: string): string[] {
  const file = COMPOSE_FILES.find(name => existsSync(join(dir, name)))
  if (file === undefined) return []
  const lines = small(join(dir, file)).split('\n')
  const start = lines.findIndex(line => /^services:\s*(#.*)?$/.test(line))
  if (start < 0) return []
  const out = [`${file} declares these services; MARK runs their programs without images:`]
  let indent: string | null = null
  for (const line of lines.slice(start + 1)) {
    if (/^\S/.test(line) && !line.startsWith('#')) break
    const service = /^(\s+)([\w.-]+):\s*(#.*)?$/.exec(line)
    if (service && (indent === null || service[1] === indent)) {
      indent = service[1] as string
      out.push(`${nameFrom(service[2] as string)}:`)
      continue
    }
    const command = /^\s+command:\s*(\S.*)$/.exec(line)
    if (command && indent !== null) out.push(`  command: ${command[1]}`)
  }
  return out.length > 1 ? out : []
}

function directories(dir: string): string[] {
  try {
    return readdirSync(dir, { withFileTypes: true })
      .filter(entry => entry.isDirectory() && !entry.name.startsWith('.'))
      .map(entry => entry.name)
      .sort()
      .slice(0, 200)
  } catch {
    return []
  }
}

const READ_MAX_BYTES = 256 * 1024

/** Text of a small file; empty if there is none. */
function small(path: string): string {
  try {
    return statSync(path).size <= READ_MAX_BYTES ? readFileSync(path, 'utf8') : ''
  } catch {
    return ''
  }
}
