import { z } from "zod";

export const weekday = z.enum(["mon", "tue", "wed", "thu", "fri", "sat", "sun"]);
export type Weekday = z.infer<typeof weekday>;

const isEveryDay = (days: readonly Weekday[]): boolean => days.length === weekday.options.length;

/** Minutes of `18:30` since midnight. */
export const minutesOf = (time: string): number => Number(time.slice(0, 2)) * 60 + Number(time.slice(3));

function isTimezone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat("en", { timeZone: name }).format(0) !== "";
  } catch {
    return false;
  }
}

/** A time of the week in which no wave begins. */
export const freezeWindow = z
  .strictObject({
    days: z
      .array(weekday)
      .min(1)
      .max(7)
      .refine((days) => new Set(days).size === days.length, "must name each day once")
      .default([...weekday.options])
      .describe("The days on which it begins. Default: every day."),
    from: z
      .string()
      .regex(/^([01][0-9]|2[0-3]):[0-5][0-9]$/, "a time from 00:00 to 23:59, such as `18:30`")
      .default("00:00")
      .describe("When it begins, by the clock of its time zone. Default: 00:00."),
    to: z
      .string()
      .regex(/^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$/, "a time from 00:00 to 24:00, such as `06:30`")
      .default("24:00")
      .describe("When it ends; a time before `from` is one of the next day. Default: 24:00."),
    timezone: z
      .string()
      .max(64)
      .refine(isTimezone, "must be a time zone of the IANA database, such as `Europe/Berlin`")
      .default("UTC")
      .describe("Its time zone, by its name in the IANA database. Default: UTC."),
  })
  .superRefine(({ days, from, to }, context) => {
    const refuse = (field: string, message: string): void =>
      context.addIssue({ code: "custom", path: [field], message });
    if (from === to) refuse("to", "must differ from `from`");
    else if (from === "00:00" && to === "24:00" && isEveryDay(days))
      refuse("days", "must leave a time in which a wave can begin: name fewer days, or `from` and `to`");
  });
export type FreezeWindow = z.infer<typeof freezeWindow>;
