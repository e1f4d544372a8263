// What the control plane's process uses, as the kernel counts it.
#pragma once

namespace mesh::load {

class ServerProcess {
 public:
  explicit ServerProcess(long pid) : pid_(pid) {}
  bool is_known() const { return pid_ > 0; }
  double cpu_seconds() const;  // since it started
  long resident_kb() const;
  long resident_peak_kb() const;

 private:
  long pid_;
};

}  // namespace mesh::load
