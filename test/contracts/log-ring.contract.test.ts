/**
 * The log ring on the file systems a fleet may lie on: ext4 and XFS are cut, btrfs and tmpfs get holes.
 */
import { describe } from 'node:test'
import { logRingContract } from './log-ring.contract.ts'

describe('ext4', () => logRingContract('ext4', 512))
describe('xfs', () => logRingContract('xfs', 512))
describe('btrfs', () => logRingContract('btrfs', 768))
describe('tmpfs', () => logRingContract('tmpfs', 512))
