/** What a field of the configuration may hold, and how it is named to people. */
export type FieldKind =
  | {
      readonly type: 'string'
      readonly pattern?: RegExp
      /** What a right value is, for "must be …". */
      readonly form: string
      readonly hint: string
      readonly secret?: boolean
    }
  | { readonly type: 'integer'; readonly min: number; readonly max: number; readonly hint: string }
  | { readonly type: 'choice'; readonly values: readonly string[]; readonly hint: string }
  | { readonly type: 'list'; readonly pattern: RegExp; readonly form: string; readonly hint: string }

export type Field = FieldKind & {
  readonly env: string
  readonly default: string | number | readonly string[] | null
}

/** A shell replaces "~", a file does not: the directory would be one of that name. */
export const PATH = /^(?!~)/
export const PATH_FORM = 'a path (without "~", which only a shell knows)'
