// A SQLite connection and its statements, with errors that name the file, what is wrong and what to do. Used by one
// thread at a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace mesh {

class Database;

class Statement {
 public:
  Statement() = default;

  // Parameters are bound in order, starting over after run() or the end of the rows.
  Statement& bind(std::string_view text);
  Statement& bind(std::int64_t number);
  Statement& bind_null();

  Status run();         // for what gives no rows
  Result<bool> next();  // the next row, or false at the end
  std::string text(int column) const;
  std::int64_t number(int column) const;
  bool is_null(int column) const;

 private:
  friend class Database;
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  void start_over();

  const Database* database_ = nullptr;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
  int bound_ = 0;
  int bind_result_ = 0;
};

class Database {
 public:
  static Result<Database> open(const std::filesystem::path& path, std::chrono::milliseconds wait_for_lock);

  Result<Statement> prepare(std::string_view sql) const;
  Status execute(const std::string& sql) const;           // one or more statements, rows are dropped
  Result<std::string> ask(const std::string& sql) const;  // the first column of the first row
  bool in_transaction() const;

  Error failure(int code) const;  // what went wrong last
  const std::filesystem::path& path() const { return path_; }

 private:
  struct Close {
    void operator()(sqlite3* connection) const;
  };
  std::filesystem::path path_;
  std::unique_ptr<sqlite3, Close> connection_;
};

}  // namespace mesh
