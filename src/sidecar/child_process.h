// Starting another program and hearing of it. The real one forks; tests use one that plays a script.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "sidecar/lifecycle.h"
#include "wire/event_loop.h"

namespace mesh::sidecar {

// What a running program tells. Called on the strand given to start(); on_ended is the last call, after all lines.
struct ProcessEvents {
  std::function<void(std::string line)> on_line;  // of standard output and standard error, without the line end
  std::function<void(ProcessEnd end)> on_ended;
};

// A running program. Destroying it kills the program and hears no more of it.
class Process {
 public:
  virtual ~Process() = default;
  virtual int pid() const = 0;
  virtual void send_signal(int number) = 0;
};

class ProcessRunner {
 public:
  virtual ~ProcessRunner() = default;
  // The program is found at `path`; `arguments` are without the program's name. It runs in a process group of its own
  // (a Ctrl-C in a terminal reaches only us) and dies with us. The error names the path and the reason.
  virtual Result<std::unique_ptr<Process>> start(const std::string& path, const std::vector<std::string>& arguments,
                                                 const wire::Strand& strand, ProcessEvents events) = 0;
};

std::unique_ptr<ProcessRunner> make_process_runner();

}  // namespace mesh::sidecar
