import type { Attributes, PortcullisError } from '@portcullis/core';
import type { PolicyFinding } from '../policies/lint.js';

/** How policies are evaluated in this process. */
export interface EmbeddedSettings {
  /** Whether attributes that break their schema are a denial. @defaultValue `reject` */
  readonly schemaEnforcement?: 'none' | 'warn' | 'reject' | undefined;
  /** The policy version that is asked for. @defaultValue `default` */
  readonly policyVersion?: string | undefined;
  /** What the expressions of all policies read as `globals`. @defaultValue nothing */
  readonly globals?: Attributes | undefined;
  /** Lets scoped policies widen what the base policy allows. @defaultValue `false` */
  readonly allowWideningScopes?: boolean | undefined;
}

/** Policies from a folder, whose edits are followed. */
export interface FolderOptions extends EmbeddedSettings {
  /** The folder with the policies: the same files that Cerbos reads. */
  readonly policies: string;
  readonly bundle?: undefined;
  /**
   * How often the folder is looked at where no change is signalled, in milliseconds; 0 for never. No change is signalled
   * when the folder is a link that is changed to another one. @defaultValue 1000
   */
  readonly pollMs?: number | undefined;
  /** Hears of an edit that is not served: the last good policies keep deciding. @defaultValue standard error */
  readonly onPolicyError?: ((error: PortcullisError) => void) | undefined;
  /** Hears of an edit that is live. What this and the other observer fail with is dropped. */
  readonly onPolicyChange?:
    ((change: { readonly revision: string; readonly warnings: readonly PolicyFinding[] }) => void) | undefined;
}

/** Policies from a bundle, which is one text and never changes. */
export interface BundleOptions extends EmbeddedSettings {
  /** What {@link bundlePolicies}, or `portcullis policies build`, wrote. */
  readonly bundle: string | Uint8Array;
  readonly policies?: undefined;
  /** The revision that has to be in the bundle; with any other, nothing is loaded. */
  readonly revision?: string | undefined;
}

/** Where the policies are, and how they are evaluated. */
export type EmbeddedOptions = FolderOptions | BundleOptions;
