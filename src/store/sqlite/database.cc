#include "store/sqlite/database.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace mesh {
namespace {

// What to do about a failure, by SQLite's primary result code. Null: nothing better to say than SQLite itself.
const char* advice(int code) {
  switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return "another process uses it: stop that control plane, or give this one a file of its own";
    case SQLITE_FULL:
      return "free some space; nothing that was answered is lost, and writes work again as soon as there is space";
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_CANTOPEN: return "the control plane's user must be able to write the file and its folder";
    case SQLITE_IOERR: return "look at the disk, its quota and the kernel's log; writes are tried again each time";
    case SQLITE_CORRUPT: return "it is damaged: put back a backup, or move it away to start with an empty store";
    case SQLITE_NOTADB: return "it is not a SQLite database: choose another path, or move the file away";
    default: return nullptr;
  }
}

// Before SQLite would with wider permissions: the content holds keys.
Status create_private(const std::filesystem::path& path) {
  std::error_code failed;
  if (path.has_parent_path()) std::filesystem::create_directories(path.parent_path(), failed);
  if (failed)
    return error(ErrorKind::Unavailable,
                 fmt::format("cannot make the folder of the store {}: {}", path.string(), failed.message()));
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0)
    return error(ErrorKind::Unavailable, fmt::format("cannot open the store {}: {}; {}", path.string(),
                                                     std::strerror(errno), advice(SQLITE_CANTOPEN)));
  ::close(file);
  return {};
}

}  // namespace

// ---- Statement

void Statement::Finalize::operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }

Statement& Statement::bind(std::string_view text) {
  const int result = sqlite3_bind_text64(statement_.get(), ++bound_, text.data() == nullptr ? "" : text.data(),
                                         text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
  if (result != SQLITE_OK) bind_result_ = result;
  return *this;
}

Statement& Statement::bind(std::int64_t number) {
  const int result = sqlite3_bind_int64(statement_.get(), ++bound_, number);
  if (result != SQLITE_OK) bind_result_ = result;
  return *this;
}

Statement& Statement::bind_null() {
  const int result = sqlite3_bind_null(statement_.get(), ++bound_);
  if (result != SQLITE_OK) bind_result_ = result;
  return *this;
}

void Statement::start_over() {
  sqlite3_reset(statement_.get());
  bound_ = 0;
  bind_result_ = SQLITE_OK;
}

Status Statement::run() {
  MESH_TRY(const bool row, next());
  if (row) start_over();
  return {};
}

Result<bool> Statement::next() {
  const int code = bind_result_ != SQLITE_OK ? bind_result_ : sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  Error failed;
  if (code != SQLITE_DONE) failed = database_->failure(code);
  start_over();
  if (code != SQLITE_DONE) return failed;
  return false;
}

std::string Statement::text(int column) const {
  const unsigned char* text = sqlite3_column_text(statement_.get(), column);
  if (text == nullptr) return {};
  return {reinterpret_cast<const char*>(text),
          static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column))};
}

std::int64_t Statement::number(int column) const { return sqlite3_column_int64(statement_.get(), column); }
bool Statement::is_null(int column) const { return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL; }

// ---- Database

void Database::Close::operator()(sqlite3* connection) const { sqlite3_close_v2(connection); }

Result<Database> Database::open(const std::filesystem::path& path, std::chrono::milliseconds wait_for_lock) {
  MESH_RETURN_IF_ERROR(create_private(path));
  Database database;
  database.path_ = path;
  sqlite3* connection = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &connection,
                                   SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nullptr);
  database.connection_.reset(connection);
  if (code != SQLITE_OK) return database.failure(code);
  sqlite3_busy_timeout(connection, static_cast<int>(wait_for_lock.count()));
  return database;
}

Result<Statement> Database::prepare(std::string_view sql) const {
  sqlite3_stmt* raw = nullptr;
  const int code = sqlite3_prepare_v3(connection_.get(), sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &raw, nullptr);
  if (code != SQLITE_OK) return failure(code);
  Statement statement;
  statement.database_ = this;
  statement.statement_.reset(raw);
  return statement;
}

Status Database::execute(const std::string& sql) const {
  const int code = sqlite3_exec(connection_.get(), sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return failure(code);
  return {};
}

Result<std::string> Database::ask(const std::string& sql) const {
  MESH_TRY(Statement statement, prepare(sql));
  MESH_TRY(const bool row, statement.next());
  return row ? statement.text(0) : std::string();
}

bool Database::in_transaction() const { return sqlite3_get_autocommit(connection_.get()) == 0; }

Error Database::failure(int code) const {
  std::string text = fmt::format("the store {}: {}", path_.string(),
                                 connection_ == nullptr ? sqlite3_errstr(code) : sqlite3_errmsg(connection_.get()));
  const int system = connection_ == nullptr ? 0 : sqlite3_system_errno(connection_.get());
  if ((code & 0xff) == SQLITE_IOERR && system != 0) text += fmt::format(" ({})", std::strerror(system));
  const char* what_to_do = advice(code);
  if (what_to_do != nullptr) text += fmt::format("; {}", what_to_do);
  return error(what_to_do != nullptr ? ErrorKind::Unavailable : ErrorKind::Internal, std::move(text));
}

}  // namespace mesh
