/** Shape of `calendars:` and of `when:`, which jobs and heartbeats share (SPEC 8). */
import { z } from 'zod'
import * as part from './schema-parts.ts'

const DAY = 'a date such as 2026-12-24'
const TIME = 'a time of day such as "09:30"'
const dates = part.expecting(z.array(part.expecting(z.string(), DAY)), 'a list of dates such as [2026-12-24]')
const time = part.expecting(z.string(), TIME)

const whenMap = z.strictObject({
  calendar: part.text.optional().describe('Calendar whose days count: 24x7, XNYS, or one of `calendars:`.'),
  session: part
    .choice(['open', 'closed'])
    .optional()
    .describe('Only while it is open, or closed. Default: the whole of its trading days.'),
  exclude: dates.default([]).describe('Days that never count.'),
  active: part.text.optional().describe('Waking time, e.g. "08:00-22:00 Mon-Fri".'),
})

export const when = part.expecting(
  z.union([part.text, whenMap]),
  'a calendar such as XNYS, or a map such as { calendar: XNYS, session: open }',
)
export type WhenInput = z.infer<typeof when>

export const calendarSchema = part.expecting(
  z.strictObject({
    base: part.text.optional().describe('A calendar of MARK that it differs from, e.g. XNYS.'),
    timezone: part.text.optional().describe('Time zone of its days. Default: that of `base`.'),
    weekdays: part.text.optional().describe('Days with a session, e.g. Mon-Fri.'),
    open: time.optional().describe('When the session begins, e.g. "09:30".'),
    close: time.optional().describe('When it ends, on the same day; "24:00" is the end of the day.'),
    holidays: dates.default([]).describe('Days without a session, besides those of `base`.'),
    early_closes: part
      .expecting(z.record(z.string(), time), 'a map such as { 2026-12-24: "13:00" }')
      .default({})
      .describe('Days that end sooner, and when; they win over those of `base`.'),
    valid_until: part.text.optional().describe('Last day that the holidays are known for.'),
  }),
  'a map such as { base: XNYS, holidays: [2026-12-24] }',
)
export type CalendarInput = z.infer<typeof calendarSchema>

export const calendars = part
  .expecting(z.record(part.text, calendarSchema), 'a map of calendars')
  .describe('Own trading calendars, for `when:`.')
