// Writes schema/mark.schema.json, the JSON Schema of mark.yaml for editors.
// Run by the build, with the pinned Node.
import { mkdirSync, writeFileSync } from 'node:fs'
import { jsonSchema } from '../src/contract/config/schema.ts'

const directory = new URL('../schema/', import.meta.url)
mkdirSync(directory, { recursive: true })
writeFileSync(new URL('mark.schema.json', directory), `${JSON.stringify(jsonSchema(), null, 2)}\n`)
