/** How a request ends that brings no value, and how a handler refuses one. */

/** It was not executed. */
export class RequestRefused extends Error {
  readonly code: string

  constructor(code: string, message: string) {
    super(message)
    this.name = 'RequestRefused'
    this.code = code
  }
}

/** It may have been executed, or not: whoever asked must find out. */
export class RequestUnknown extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'RequestUnknown'
  }
}

/** Thrown by a handler of `serve` that did nothing. */
export class Refuse extends Error {
  readonly code: string

  constructor(code: string, message = '') {
    super(message)
    this.name = 'Refuse'
    this.code = code
  }
}
