#include "base/log.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <map>
#include <mutex>

namespace mesh::log {
namespace {

// JSON string escapes (RFC 8259, section 7). Log text can hold anything, also bytes from outside.
std::string escaped(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 8);
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20) {
      out += fmt::format("\\u{:04x}", byte);
    } else {
      out += c;
    }
  }
  return out;
}

// A record stays one: what comes from outside can neither begin a line of its own nor talk to a terminal. Further lines
// of a message are indented.
std::string one_record(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 8);
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n') {
      out += "\n    ";
    } else if ((byte < 0x20 && c != '\t') || byte == 0x7f) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  return out;
}

struct State {
  std::mutex mutex;
  Settings settings;
  std::map<std::string, Level, std::less<>> levels;
  std::shared_ptr<spdlog::logger> logger = make_logger({});

  static std::shared_ptr<spdlog::logger> make_logger(const Settings& settings) {
    spdlog::sink_ptr sink;
    if (settings.output_path.empty())
      sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    else
      sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(settings.output_path);
    auto logger = std::make_shared<spdlog::logger>("mesh", sink);
    logger->set_level(spdlog::level::trace);
    logger->flush_on(spdlog::level::trace);
    auto utc = spdlog::pattern_time_type::utc;
    logger->set_formatter(std::make_unique<spdlog::pattern_formatter>(
        settings.format == Format::Json ? "{\"time\":\"%Y-%m-%dT%H:%M:%S.%eZ\",%v}" : "%Y-%m-%dT%H:%M:%S.%eZ %v", utc));
    return logger;
  }

  Level level_of(std::string_view room) const {
    const auto found = levels.find(room);
    return found == levels.end() ? settings.level : found->second;
  }
};

State& state() {
  static State the_state;
  return the_state;
}

spdlog::level::level_enum to_spdlog(Level level) {
  switch (level) {
    case Level::Debug: return spdlog::level::debug;
    case Level::Info: return spdlog::level::info;
    case Level::Warn: return spdlog::level::warn;
    case Level::Error: return spdlog::level::err;
    case Level::Off: break;
  }
  return spdlog::level::off;
}

}  // namespace

Status set_up(const Settings& settings) {
  State& the = state();
  std::lock_guard lock(the.mutex);
  try {
    the.logger = State::make_logger(settings);
  } catch (const spdlog::spdlog_ex& problem) {
    return error(ErrorKind::Unavailable,
                 "the log file " + settings.output_path + " cannot be opened: " + problem.what());
  }
  the.settings = settings;
  return {};
}

void set_level(std::string_view room, Level level) {
  State& the = state();
  std::lock_guard lock(the.mutex);
  if (room.empty()) {
    the.settings.level = level;
    the.levels.clear();
  } else {
    the.levels[std::string(room)] = level;
  }
}

Level level_of(std::string_view room) {
  State& the = state();
  std::lock_guard lock(the.mutex);
  return the.level_of(room);
}

bool parse_level(std::string_view text, Level& out) {
  for (const Level level : {Level::Debug, Level::Info, Level::Warn, Level::Error, Level::Off})
    if (text == level_name(level)) {
      out = level;
      return true;
    }
  return false;
}

std::string_view level_name(Level level) {
  switch (level) {
    case Level::Debug: return "debug";
    case Level::Info: return "info";
    case Level::Warn: return "warn";
    case Level::Error: return "error";
    case Level::Off: break;
  }
  return "off";
}

bool is_enabled(std::string_view room, Level level) { return level >= level_of(room); }

void write(std::string_view room, Level level, std::string_view text) {
  State& the = state();
  std::shared_ptr<spdlog::logger> logger;
  Format format{};
  {
    std::lock_guard lock(the.mutex);
    logger = the.logger;
    format = the.settings.format;
  }
  if (format == Format::Json)
    logger->log(to_spdlog(level), "\"level\":\"{}\",\"room\":\"{}\",\"message\":\"{}\"", level_name(level), room,
                escaped(text));
  else
    logger->log(to_spdlog(level), "{:<5} [{}] {}", level_name(level), room, one_record(text));
}

}  // namespace mesh::log
