/** The section `link:` of mark.yaml: messages between modules (docs/link.md). */
import { z } from 'zod'
import { isFilter } from '../module-topic.ts'
import * as part from './schema-parts.ts'

const filter = part.expecting(
  z.string().refine(isFilter),
  'a filter of topics such as ticks/# or signals/+: `#` is a whole last level, `+` a whole level',
)
const grants = part.expecting(
  z.record(part.name, part.expecting(z.array(filter), 'a list of filters of topics')),
  'a map such as { vida: [ticks/#] }',
)

export const linkSchema = z.strictObject({
  publish: grants
    .prefault({})
    .describe('Which module may publish what; request/<to>/<name> lets it ask <to>. All else is refused.'),
  subscribe: grants
    .prefault({})
    .describe('Which module may hear what. Requests and replies to it, and presence, it always may.'),
  listen: part
    .expecting(
      z.string().regex(/^(?:127(?:\.\d{1,3}){3}|localhost|\[::1\]):\d{1,5}$/),
      'an address of this host alone such as 127.0.0.1:1883',
    )
    .optional()
    .describe("Where MARK's broker listens for TCP, besides its unix socket. Default: nowhere."),
  broker: part
    .expecting(
      z.string().regex(/^mqtts?:\/\/[^\s/@:]+(?::\d{1,5})?\/?$/),
      'a broker such as mqtts://mq.example:8883, without a name or password in it',
    )
    .optional()
    .describe(
      "A broker elsewhere, instead of MARK's own. What `publish` and `subscribe` say, it must enforce.",
    ),
})
