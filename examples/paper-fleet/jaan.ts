// JAAN, analytics: what the fleet has won or lost, as the exchange sees it. Prints it every few seconds and
// shows it at http://127.0.0.1:<JAAN_PORT>/ as JSON; /ping says only that JAAN is there.
import http from 'node:http'
import { link } from '../../src/sdk/sdk.ts'
import { ask, beat, begin, log, portOf, type Message } from './paper.ts'

const REPORT_EVERY_MS = 3000
const SATS_PER_BTC = 1e8

let report: Message = { known: false }
/** What TEEA says of itself: retained by the link, so also what it said before we came. */
let books: Message = {}

const dollars = (cents: number): string => (cents / 100).toFixed(2)

/** In cents, at the price of now: what we have against what the opening account would be worth untouched. */
function judge(account: Message, fills: number | null): Message {
  const worth = (cash: number, sats: number): number =>
    Math.round(cash + (sats * account.price_cents) / SATS_PER_BTC)
  const equity = worth(account.cash_cents, account.btc_sats)
  const untouched = worth(account.opening.cash_cents, account.opening.btc_sats)
  return {
    known: true,
    at: new Date().toISOString(),
    equity_cents: equity,
    trading_pnl_cents: equity - untouched,
    fills,
  }
}

async function look(): Promise<void> {
  const account = await ask(portOf('EXCHANGE', 17100), { op: 'balances' })
  if (account === null) return log('WARNING', 'no report: the exchange is away')
  report = judge(account, books.fills ?? null)
  const pnl = `equity ${dollars(report.equity_cents)} USD, P&L ${dollars(report.trading_pnl_cents)} USD`
  log('INFO', `${pnl}, fills ${report.fills ?? 'unknown'}`)
}

function respond(request: http.IncomingMessage, response: http.ServerResponse): void {
  response.setHeader('content-type', 'application/json')
  response.end(`${JSON.stringify(request.url === '/ping' ? { ok: true } : report)}\n`)
}

begin()
link().subscribe('books', data => {
  books = data as Message
})
const server = http.createServer(respond)
server.on('error', () => setTimeout(listen, 200)) // somebody holds the port for a moment
const listen = (): http.Server => server.listen(portOf('JAAN', 17108), process.env.PAPER_HOST ?? '127.0.0.1')
listen()
setInterval(() => void look(), REPORT_EVERY_MS)
setInterval(() => beat(`report=${report.known ? report.at : 'none yet'}`, { state: 'trading' }), 1000)
