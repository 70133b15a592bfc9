/**
 * Walks the schema beside a path of mark.yaml, so that errors and `mark config explain` can say what a key
 * is for, what it expects, what it is by default and which keys stand beside it.
 */
import type { z } from 'zod'
import type { Path } from './located.ts'
import { expectations } from './schema-parts.ts'

interface Definition {
  readonly type: string
  readonly innerType?: z.ZodType
  readonly in?: z.ZodType
  readonly shape?: Readonly<Record<string, z.ZodType>>
  readonly valueType?: z.ZodType
  readonly element?: z.ZodType
  readonly options?: readonly z.ZodType[]
  readonly defaultValue?: unknown
}

function definition(schema: z.ZodType): Definition {
  return schema._zod.def as unknown as Definition
}

/** The schema itself and what it wraps (optional, default, transform), outermost first. */
function layers(schema: z.ZodType): z.ZodType[] {
  const { innerType, in: input } = definition(schema)
  const inner = innerType ?? input
  return inner ? [schema, ...layers(inner)] : [schema]
}

/** The schemas that may hold at `path`, one for each branch of a union; none if the path is unknown. */
export function schemasAt(schema: z.ZodType, path: Path): z.ZodType[] {
  const core = layers(schema).at(-1) as z.ZodType
  const { options, shape, valueType, element } = definition(core)
  if (path.length === 0) return [schema]
  const [key, ...rest] = path
  if (options) return options.flatMap(option => schemasAt(option, path))
  const below = shape
    ? Object.hasOwn(shape, String(key))
      ? shape[String(key)]
      : undefined
    : (valueType ?? element)
  return below ? schemasAt(below, rest) : []
}

/** Known keys of the maps at `path`. */
export function keysAt(schema: z.ZodType, path: Path): string[] {
  const found = schemasAt(schema, path)
    .flatMap(unions)
    .flatMap(inner => Object.keys(definition(inner).shape ?? {}))
  return [...new Set(found)]
}

function unions(schema: z.ZodType): z.ZodType[] {
  const core = layers(schema).at(-1) as z.ZodType
  const { options } = definition(core)
  return options ? options.flatMap(unions) : [core]
}

/** What a value at `path` must be, as a phrase; null if nothing is known. */
export function expectedAt(schema: z.ZodType, path: Path): string | null {
  for (const found of schemasAt(schema, path)) {
    for (const layer of layers(found)) {
      const expected = expectations.get(layer)?.expected
      if (expected) return expected
    }
  }
  return null
}

export function descriptionAt(schema: z.ZodType, path: Path): string | null {
  for (const found of schemasAt(schema, path)) {
    for (const layer of layers(found)) if (layer.description) return layer.description
  }
  return null
}

/** The default as it would be written; undefined if there is none. */
export function defaultAt(schema: z.ZodType, path: Path): unknown {
  for (const found of schemasAt(schema, path)) {
    for (const layer of layers(found)) {
      const { type, defaultValue } = definition(layer)
      if (type === 'default' || type === 'prefault') return defaultValue
    }
  }
  return undefined
}
