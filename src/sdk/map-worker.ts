/**
 * The thread of one PersistentMap: all that waits for the disk. Opens the file, hands over its rows, then
 * writes batches in the order they come, each one transaction. Ends when told.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { MapFile } from './map-file.ts'
import type { FromMap, MapPlace, ToMap, Trouble } from './map-protocol.ts'
import { troubleOf } from './map-trouble.ts'

const ROWS_AT_ONCE = 5000

const port = parentPort
if (port) serve(workerData as MapPlace)

function serve(place: MapPlace): void {
  const say = (message: FromMap): void => port?.postMessage(message)
  let file: MapFile
  try {
    file = MapFile.open(place, rows => {
      for (let from = 0; from < rows.keys.length; from += ROWS_AT_ONCE) {
        const to = from + ROWS_AT_ONCE
        say({ kind: 'rows', keys: rows.keys.slice(from, to), texts: rows.texts.slice(from, to) })
      }
    })
  } catch (error) {
    say({ kind: 'refused', ...tell(error, true, place) })
    port?.close()
    return
  }
  say({ kind: 'opened' })
  port?.on('message', (message: ToMap) => {
    if (message.kind === 'close') {
      file.close()
      port.close()
      return
    }
    try {
      file.write(message)
      say({ kind: 'written' })
    } catch (error) {
      say({ kind: 'failed', ...tell(error, false, place) })
    }
  })
}

function tell(error: unknown, opening: boolean, place: MapPlace): Trouble {
  const { code, message } = troubleOf(error, opening, place)
  return { code, message }
}
