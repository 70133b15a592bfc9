import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { RehearsalStage } from '../host/rehearsal-stage.ts'
import { StoryLife } from '../../test/stories/story-life.ts'
import type { Engine } from './engine.ts'
import { rehearseOnceStarted } from './rehearsal.ts'

/** Tells what the rehearsal did on its stage. */
function staged(dir: string, engine: Engine): { stage: RehearsalStage; noted: string[] } {
  const stage = new RehearsalStage(dir, engine.world)
  const noted: string[] = []
  const { store } = stage.world
  const { journal } = store
  store.journal = event => {
    noted.push(`${event.kind} ${event.module}`)
    return journal.call(store, event)
  }
  return { stage, noted }
}

test('a rehearsal walks every module to its stop and leaves the fleet as it was', () => {
  const dir = mkdtempSync(join(tmpdir(), 'rehearsal-'))
  const life = new StoryLife()
  for (const line of ['module luka', 'module roko stop.before=./cancel', 'up', 'ready luka', 'ready roko'])
    life.run(line)
  life.run('advance 2s')
  const engine = life.keeper?.engine as Engine
  let noted: string[] = []
  rehearseOnceStarted(engine, () => {
    const { stage, noted: heard } = staged(dir, engine)
    noted = heard
    return stage
  })
  const before = life.run('states').join('\n')
  const journal = life.host.journal.length
  life.run('advance 2s')
  assert.ok(noted.includes('stopped luka') && noted.includes('stopped roko'), noted.join())
  assert.equal(life.run('states').join('\n'), before)
  assert.equal(life.host.journal.length, journal, 'nothing of it is told')
  assert.equal(existsSync(dir) && readdirSync(dir).length, 0, 'nothing of it is left')
  rmSync(dir, { recursive: true })
})

test('while modules wait for one another nothing is rehearsed', () => {
  const life = new StoryLife()
  for (const line of ['module luka', 'module roko after=luka', 'up']) life.run(line)
  const engine = life.keeper?.engine as Engine
  rehearseOnceStarted(engine, () => assert.fail('roko still waits'))
  assert.ok([...engine.children.values()].some(child => child.phase === 'waiting'))
})

test('a host that has no room for a rehearsal goes without one', () => {
  const life = new StoryLife()
  for (const line of ['module luka', 'up', 'ready luka', 'advance 2s']) life.run(line)
  const engine = life.keeper?.engine as Engine
  rehearseOnceStarted(engine, () => {
    throw new Error('EMFILE')
  })
  assert.equal(engine.children.get('luka')?.phase, 'ready')
})
