// Log lines, one category per room: MESH_LOG_INFO("store", "opened {}", path). Levels are set per room at run time
// (`/logging`, --log-level); the output is text for people or one JSON object per line.
// Never pass a Secret: it has no formatter, so it does not compile.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>

#include "base/result.h"

namespace mesh::log {

enum class Level { Debug, Info, Warn, Error, Off };
enum class Format { Text, Json };

struct Settings {
  Level level = Level::Info;
  Format format = Format::Text;
  std::string output_path;  // empty: standard error
};

// Call once, before threads start. Without it lines go to standard error as text from Info on. Unavailable: the file
// cannot be opened.
Status set_up(const Settings& settings);
void set_level(std::string_view room, Level level);  // an empty room: all of them
Level level_of(std::string_view room);
bool parse_level(std::string_view text, Level& out);  // "debug", "info", "warn", "error", "off"
std::string_view level_name(Level level);

bool is_enabled(std::string_view room, Level level);
void write(std::string_view room, Level level, std::string_view text);

}  // namespace mesh::log

#define MESH_LOG(room, level, ...)                                                                       \
  do {                                                                                                   \
    if (::mesh::log::is_enabled(room, level)) ::mesh::log::write(room, level, fmt::format(__VA_ARGS__)); \
  } while (false)
#define MESH_LOG_DEBUG(room, ...) MESH_LOG(room, ::mesh::log::Level::Debug, __VA_ARGS__)
#define MESH_LOG_INFO(room, ...) MESH_LOG(room, ::mesh::log::Level::Info, __VA_ARGS__)
#define MESH_LOG_WARN(room, ...) MESH_LOG(room, ::mesh::log::Level::Warn, __VA_ARGS__)
#define MESH_LOG_ERROR(room, ...) MESH_LOG(room, ::mesh::log::Level::Error, __VA_ARGS__)
