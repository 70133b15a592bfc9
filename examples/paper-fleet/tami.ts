// TAMI, messages: tells the operator now and then what the fleet did, and at once what needs eyes.
import { link, ready } from '../../src/sdk/sdk.ts'
import { beat, begin, log, type Message } from './paper.ts'

const DIGEST_EVERY_MS = 2000
const DEPEG_PREMIUM = 0.01
const CALM_PREMIUM = 0.005 // lower than the alarm, so that a price on the edge does not ring all day

let fills: Message[] = []
let depegged = false

const dollars = (cents: number): string => (cents / 100).toFixed(2)
const bitcoin = (sats: number): string => (sats / 1e8).toFixed(4)
const sum = (values: number[]): number => values.reduce((total, value) => total + value, 0)
const notice = (text: string): void => log('WARNING', `notice: ${text}`)

function digest(): void {
  const of = (side: string): number => sum(fills.filter(fill => fill.side === side).map(fill => fill.sats))
  const fees = sum(fills.map(fill => fill.fee_cents))
  const text = `bought ${bitcoin(of('buy'))} sold ${bitcoin(of('sell'))} BTC, fees ${dollars(fees)} USD`
  log('INFO', fills.length > 0 ? `digest: ${fills.length} fills, ${text}` : 'digest: nothing traded')
  fills = []
}

function watchDepeg({ premium }: Message): void {
  const percent = `${(premium * 100).toFixed(2)} %`
  if (!depegged && Math.abs(premium) > DEPEG_PREMIUM) {
    depegged = true
    notice(`USDC has lost its peg: bitcoin costs ${percent} more in USDC than in dollars`)
  } else if (depegged && Math.abs(premium) < CALM_PREMIUM) {
    depegged = false
    notice(`USDC is back at its peg: premium ${percent}`)
  }
}

/** The broker itself says who is there. */
function watchPresence(who: string): void {
  link().subscribe(`mark/presence/${who.toLowerCase()}`, data => {
    if ((data as Message).state === 'here') log('INFO', `${who} is here`)
    else notice(`${who} is away`)
  })
}

begin()
link().subscribe('fills', fill => fills.push(fill as Message))
link().subscribe('alarms', words => notice(String(words)))
link().subscribe('features', features => watchDepeg(features as Message))
for (const who of ['TEEA', 'ROKO']) watchPresence(who)
setInterval(digest, DIGEST_EVERY_MS)
setInterval(() => beat(`waiting=${fills.length} depegged=${depegged}`, { state: 'trading' }), 1000)
ready()
log('INFO', 'listening') // the line that `ready: { log: ... }` waits for
