#include "base/clock.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <limits>

namespace mesh {
namespace {

class RealClock final : public Clock {
 public:
  SystemTime now() const override { return std::chrono::system_clock::now(); }
  SteadyTime steady() const override { return std::chrono::steady_clock::now(); }
};

struct Unit {
  std::string_view name;
  double nanoseconds;
};

constexpr std::array kUnits = {Unit{"ns", 1},  Unit{"us", 1e3}, Unit{"µs", 1e3},  Unit{"ms", 1e6},
                               Unit{"s", 1e9}, Unit{"m", 60e9}, Unit{"h", 3600e9}};

// The unit that `text` starts with; the longer name wins ("ms" before "m").
const Unit* unit_at(std::string_view text) {
  const Unit* best = nullptr;
  for (const Unit& unit : kUnits)
    if (text.starts_with(unit.name) && (best == nullptr || unit.name.size() > best->name.size())) best = &unit;
  return best;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string without_trailing_zeros(std::string number) {
  if (!number.contains('.')) return number;
  while (number.ends_with('0')) number.pop_back();
  if (number.ends_with('.')) number.pop_back();
  return number;
}

}  // namespace

Clock& real_clock() {
  static RealClock clock;
  return clock;
}

SystemTime ManualClock::now() const {
  std::lock_guard lock(mutex_);
  return now_;
}

SteadyTime ManualClock::steady() const {
  std::lock_guard lock(mutex_);
  return steady_;
}

void ManualClock::advance(Duration by) {
  std::lock_guard lock(mutex_);
  now_ += std::chrono::duration_cast<SystemTime::duration>(by);
  steady_ += std::chrono::duration_cast<SteadyTime::duration>(by);
}

std::string format_time(SystemTime time) {
  using namespace std::chrono;
  const auto whole = floor<seconds>(time);
  const auto nanos = duration_cast<nanoseconds>(time - whole).count();
  const std::time_t seconds_since_epoch = system_clock::to_time_t(whole);
  std::tm parts{};
  gmtime_r(&seconds_since_epoch, &parts);
  std::string fraction = nanos == 0 ? "" : without_trailing_zeros(fmt::format(".{:09}", nanos));
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{}Z", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday,
                     parts.tm_hour, parts.tm_min, parts.tm_sec, fraction);
}

Result<SystemTime> parse_time(std::string_view text) {
  const std::string owned(text);
  std::tm parts{};
  int used = 0;
  if (std::sscanf(owned.c_str(), "%4d-%2d-%2dT%2d:%2d:%2d%n", &parts.tm_year, &parts.tm_mon, &parts.tm_mday,
                  &parts.tm_hour, &parts.tm_min, &parts.tm_sec, &used) != 6)
    return invalid("", fmt::format("\"{}\" is not a time; expected RFC 3339, such as 2026-01-31T12:00:00Z", text));
  parts.tm_year -= 1900;
  parts.tm_mon -= 1;
  std::string_view rest = text.substr(static_cast<size_t>(used));
  long long nanos = 0;
  if (rest.starts_with('.')) {
    rest.remove_prefix(1);
    long long scale = 100'000'000;
    while (!rest.empty() && is_digit(rest.front())) {
      nanos += (rest.front() - '0') * scale;
      scale /= 10;
      rest.remove_prefix(1);
    }
  }
  long offset_minutes = 0;
  if (rest != "Z" && rest != "z") {
    int hours = 0;
    int minutes = 0;
    char sign = 0;
    const std::string zone(rest);
    if (std::sscanf(zone.c_str(), "%c%2d:%2d", &sign, &hours, &minutes) != 3 || (sign != '+' && sign != '-'))
      return invalid("", fmt::format("\"{}\" is not a time; expected a zone such as Z or +01:00 at the end", text));
    offset_minutes = (sign == '-' ? -1 : 1) * (hours * 60L + minutes);
  }
  // Nanoseconds in 64 bits reach from 1677 to 2262: what is outside (the year 1 of other implementations' zero) is
  // moved to the nearest end.
  constexpr std::time_t reach = std::numeric_limits<std::int64_t>::max() / 1'000'000'000 - 1;
  const std::time_t seconds = std::clamp<std::time_t>(timegm(&parts) - offset_minutes * 60, -reach, reach);
  return SystemTime(std::chrono::seconds(seconds)) +
         std::chrono::duration_cast<SystemTime::duration>(std::chrono::nanoseconds(nanos));
}

Result<Duration> parse_duration(std::string_view text) {
  const auto bad = [&] {
    return invalid(
        "", fmt::format("\"{}\" is not a duration; expected a number with a unit, such as 5s, 250ms or 1h30m", text));
  };
  std::string_view rest = text;
  bool negative = false;
  if (!rest.empty() && (rest.front() == '-' || rest.front() == '+')) {
    negative = rest.front() == '-';
    rest.remove_prefix(1);
  }
  if (rest == "0") return Duration::zero();
  if (rest.empty()) return bad();
  double nanoseconds = 0;
  while (!rest.empty()) {
    size_t digits = 0;
    while (digits < rest.size() && (is_digit(rest[digits]) || rest[digits] == '.')) ++digits;
    const std::string number(rest.substr(0, digits));
    if (digits == 0 || number == "." || number.find('.') != number.rfind('.')) return bad();
    rest.remove_prefix(digits);
    const Unit* unit = unit_at(rest);
    if (unit == nullptr) return bad();
    rest.remove_prefix(unit->name.size());
    nanoseconds += std::strtod(number.c_str(), nullptr) * unit->nanoseconds;
  }
  if (nanoseconds > 9.2e18) return bad();
  const auto whole = static_cast<long long>(std::llround(nanoseconds));
  return Duration(negative ? -whole : whole);
}

std::string format_duration(Duration duration) {
  const long long total = duration.count();
  if (total == 0) return "0s";
  const std::string sign = total < 0 ? "-" : "";
  const long long nanos = total < 0 ? -total : total;
  if (nanos < 1'000) return fmt::format("{}{}ns", sign, nanos);
  if (nanos < 1'000'000)
    return sign + without_trailing_zeros(fmt::format("{:.3f}", static_cast<double>(nanos) / 1e3)) + "µs";
  if (nanos < 1'000'000'000)
    return sign + without_trailing_zeros(fmt::format("{:.6f}", static_cast<double>(nanos) / 1e6)) + "ms";
  const long long minutes = nanos / 60'000'000'000LL;
  const long long below_a_minute = nanos % 60'000'000'000LL;
  std::string out = sign;
  if (minutes >= 60) out += fmt::format("{}h", minutes / 60);
  if (minutes > 0) out += fmt::format("{}m", minutes % 60);
  std::string seconds = fmt::format("{}", below_a_minute / 1'000'000'000LL);
  if (const long long fraction = below_a_minute % 1'000'000'000LL; fraction != 0)
    seconds += without_trailing_zeros(fmt::format(".{:09}", fraction));
  return out + seconds + "s";
}

}  // namespace mesh
