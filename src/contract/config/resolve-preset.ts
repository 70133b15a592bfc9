/**
 * What a preset looks up for itself before its module is resolved. Returns the module with what it found
 * filled in; never changes what the module says itself.
 */
import type { Path } from './located.ts'
import type { Surroundings } from './presets.ts'
import { freqtrade } from './resolve-freqtrade.ts'
import { pythonVenv } from './resolve-python-venv.ts'
import type { ModuleInput } from './schema-module.ts'
import type { Scope } from './scope.ts'

export function withPreset(scope: Scope, at: Path, input: ModuleInput, around: Surroundings): ModuleInput {
  if (input.preset === 'freqtrade') return freqtrade(scope, at, input, around)
  return input.preset === 'python-venv' ? pythonVenv(scope, at, input, around) : input
}
