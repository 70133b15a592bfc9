/**
 * Small JSON documents that prove themselves and stay JSON for everybody else: the last key is the CRC of all
 * before it. A flipped digit in a pid or a scope would otherwise be a record like any other.
 */
import { crc32 } from 'node:zlib'

export function seal(document: object): string {
  const json = JSON.stringify(document)
  return `${json.slice(0, -1)},"crc":"${checksum(json)}"}`
}

/** null: damaged, or no JSON object. One without a seal is from an earlier version and is believed. */
export function unseal(text: string): Record<string, unknown> | null {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return null
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return null
  const { crc, ...document } = value as Record<string, unknown>
  return crc === undefined || crc === checksum(JSON.stringify(document)) ? document : null
}

function checksum(json: string): string {
  return crc32(json).toString(16).padStart(8, '0')
}
