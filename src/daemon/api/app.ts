/**
 * The HTTP API (SPEC 7): reads of the fleet, its events, exits and logs; commands, which are passed on to the
 * keeper by module name. No call carries a command line, an environment or a path. Transport and credentials
 * are the server's.
 */
import { type Context, Hono } from 'hono'
import type { ModuleRecord } from '../../contract/api.ts'
import { MarkError } from '../../core/errors.ts'
import type { ApiDeps } from './deps.ts'
import { fleetOf } from './fleet-of.ts'
import { jobCommands, jobReads } from './jobs.ts'
import { findLines, levelParameter } from './logs.ts'
import { BY, type Post, postsOf, whoOf } from './posts.ts'
import { problem, usage } from './problem.ts'
import {
  bodyOf,
  countOf,
  isRunId,
  nameOf,
  queryOf,
  readCursor,
  sinceOf,
  textField,
  writeCursor,
} from './requests.ts'

const COMMANDS = ['start', 'stop', 'restart', 'reload', 'hold', 'unhold'] as const
const LEVELS = ['pause', 'halt', 'flatten'] as const
const SCOPE = /^(?:all|(?:module|group):[a-z][a-z0-9_-]{0,62}|account:[A-Za-z0-9][\w:.@-]{0,126})$/
const KILL_ID = /^[A-Za-z0-9][\w-]{0,63}$/

/**
 * `hosts`: values of Host that are served; any request with an Origin comes from a browser and is refused.
 */
export function makeApp(deps: ApiDeps, hosts: readonly string[]): Hono {
  const app = new Hono()
  app.use(async (context, next) => {
    const host = context.req.header('host')
    if (host === undefined || !hosts.includes(host) || context.req.header('origin') !== undefined) {
      return problem(new MarkError('MARK_DENIED', 'This host or origin is not served here.'))
    }
    await next()
    context.header('x-content-type-options', 'nosniff')
    return undefined
  })
  app.onError(error => {
    if (!(error instanceof MarkError)) deps.failed(error)
    return problem(error)
  })
  app.notFound(() => problem(usage('There is no such address here.', 'The API begins with /api/v1.'), 404))
  app.get('/healthz', context => context.json({ ok: true, keeper: deps.keeperUp(), version: deps.version }))
  reads(app, deps)
  records(app, deps)
  jobReads(app, deps)
  const post = postsOf(app, deps)
  commands(post, deps)
  jobCommands(post, deps)
  return app
}

function reads(app: Hono, deps: ApiDeps): void {
  app.get('/api/v1/fleet', context => {
    queryOf(context, [])
    return context.json(fleetOf(deps))
  })
  app.get('/api/v1/modules', context => {
    queryOf(context, [])
    return context.json({ modules: fleetOf(deps).modules })
  })
  app.get('/api/v1/modules/:module', context => {
    queryOf(context, [])
    const view = moduleOf(context, deps)
    const record: ModuleRecord = {
      ...view,
      said: view.run_id === null ? null : deps.said(view.run_id),
      hears: deps.hears(view.name),
    }
    return context.json(record)
  })
  app.get('/api/v1/modules/:module/logs', context => {
    const query = queryOf(context, ['n', 'since', 'level', 'grep', 'cursor'])
    const { lines, before } = findLines(deps.logs, {
      module: loggedOf(context, deps),
      count: countOf(query.n, 100, 5000, 'n'),
      sinceMs: sinceOf(query.since, deps.nowMs()),
      level: levelParameter(query.level),
      matches: query.grep === undefined ? null : patternOf(deps, query.grep),
      before: readCursor(query.cursor, { before: 'number' })?.before ?? null,
    })
    return context.json({ lines, next_cursor: before === null ? null : writeCursor({ before }) })
  })
  app.get('/api/v1/stream', context => {
    fleetOf(deps)
    const response = deps.stream.open(context.req.header('last-event-id') ?? null)
    return (
      response ?? problem(new MarkError('MARK_BUSY', 'Too many clients read the stream.', 'Try again later.'))
    )
  })
}

function records(app: Hono, deps: ApiDeps): void {
  app.get('/api/v1/events', async context => {
    const query = queryOf(context, ['module', 'since', 'cursor', 'limit'])
    const page = await deps.archive.events({
      module: query.module === undefined ? null : nameOf(query.module),
      sinceMs: sinceOf(query.since, deps.nowMs()),
      beforeId: readCursor(query.cursor, { before: 'number' })?.before ?? null,
      afterId: null,
      limit: countOf(query.limit, 100, 1000, 'limit'),
    })
    const next = page.more && page.firstId !== null ? writeCursor({ before: page.firstId }) : null
    return context.json({ events: page.events, next_cursor: next })
  })
  app.get('/api/v1/modules/:module/exits', async context => {
    const query = queryOf(context, ['cursor', 'limit'])
    const cursor = readCursor(query.cursor, { before: 'number', run_id: 'string' })
    const { exits, more } = await deps.archive.exits({
      module: nameOf(context.req.param('module')),
      beforeMs: cursor?.before ?? null,
      beforeRunId: cursor?.run_id ?? null,
      limit: countOf(query.limit, 50, 500, 'limit'),
    })
    const last = exits.at(-1)
    const next = more && last ? writeCursor({ before: Date.parse(last.at), run_id: last.run_id }) : null
    return context.json({ exits, next_cursor: next })
  })
  app.get('/api/v1/exits/:run', async context => {
    queryOf(context, [])
    const run = context.req.param('run')
    const found = isRunId(run) ? await deps.archive.exit(run) : null
    if (!found)
      return problem(
        usage('No exit of such a run is known.', 'GET /api/v1/modules/{m}/exits lists them.'),
        404,
      )
    return context.json({ ...found.exit, dossier: found.dossier })
  })
}

function commands(post: Post, deps: ApiDeps): void {
  for (const ask of COMMANDS) {
    post(`/api/v1/modules/:module/${ask}`, async context => {
      queryOf(context, [])
      const body = await bodyOf(context, ['reason'])
      const modules = [nameOf(context.req.param('module') ?? '')]
      const reason = textField(body.reason, 'reason', 500)
      return context.json(await deps.ask({ ask, modules, by: BY, reason }), 202)
    })
  }
  for (const verb of ['pause', 'resume'] as const) {
    post(`/api/v1/modules/:module/${verb}`, async context => {
      queryOf(context, [])
      const body = await bodyOf(context, ['reason', 'by'])
      const { name } = moduleOf(context, deps)
      const reason = textField(body.reason, 'reason', 500)
      return context.json(deps[verb](name, whoOf(body), reason) ?? {}, 202)
    })
  }
  post('/api/v1/kill', async context => {
    queryOf(context, [])
    const body = await bodyOf(context, ['scope', 'level', 'reason'])
    const scope = body.scope ?? 'all'
    const level = LEVELS.find(known => known === (body.level ?? 'halt'))
    if (typeof scope !== 'string' || !SCOPE.test(scope))
      throw usage('scope is all, module:M, group:G or account:A.')
    if (!level) throw usage(`level is one of ${LEVELS.join(', ')}.`)
    const reason = textField(body.reason, 'reason', 500)
    return context.json(
      await deps.ask({ ask: 'kill', kill_id: deps.mintKillId(), scope, level, reason, by: BY }),
      202,
    )
  })
  post('/api/v1/kill/:id/release', async context => {
    queryOf(context, [])
    const id = context.req.param('id') ?? ''
    if (!KILL_ID.test(id)) throw new MarkError('MARK_NO_SUCH_KILL', 'There is no kill of that id.')
    const body = await bodyOf(context, ['reason'])
    const reason = textField(body.reason, 'reason', 500)
    if (!reason) throw usage('A release needs a reason.')
    return context.json((await deps.ask({ ask: 'release', kill_id: id, reason, by: BY })) ?? {}, 202)
  })
}

function moduleOf(context: Context, deps: ApiDeps): NonNullable<ReturnType<ApiDeps['module']>> {
  const module = deps.module(nameOf(context.req.param('module') ?? ''))
  if (module) return module
  throw new MarkError(
    'MARK_NO_SUCH_MODULE',
    'There is no module of that name.',
    'GET /api/v1/modules lists them.',
  )
}

/** A job has a log as a module has. */
function loggedOf(context: Context, deps: ApiDeps): string {
  const name = nameOf(context.req.param('module') ?? '')
  return deps.jobs.job(name)?.name ?? moduleOf(context, deps).name
}

function patternOf(deps: ApiDeps, pattern: string): (lines: readonly string[]) => boolean[] {
  if (pattern.length > 500) throw usage('grep is at most 500 characters long.')
  try {
    const matches = deps.matcher(pattern)
    return lines => {
      try {
        return matches(lines)
      } catch {
        throw usage('This grep takes too long on this log.', 'Write it more simply.')
      }
    }
  } catch {
    throw usage('grep is not a valid regular expression.')
  }
}
