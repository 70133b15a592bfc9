/**
 * What a traceback is, whatever language it comes from. Types only.
 */
export interface Frame {
  readonly file: string
  readonly line: number | null
  readonly function: string | null
}

export interface Traceback {
  readonly language: 'python' | 'node' | 'go' | 'rust' | 'java'
  readonly type: string
  readonly message: string | null
  /** 1-based, inclusive, counted in the lines given; causes are inside. */
  readonly firstLine: number
  readonly lastLine: number
  /** Where it was raised: the innermost frame of the outermost exception. */
  readonly frame: Frame | null
  /** Type of the innermost cause; null when there is none. */
  readonly rootCause: string | null
  /** Frames of the outermost exception, outermost call first. */
  readonly frames: readonly Frame[]
}
